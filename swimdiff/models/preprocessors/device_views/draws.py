"""Random numbers of the views: of the run's seed, the iteration and the place in the batch."""

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MessageHub
from torch import Tensor

from swimdiff.randomness import derive_seeds, run_seed

__all__ = ['draw_views']


def draw_views(rows: int, numbers: int, purpose: str = 'views') -> Tensor:
    """Draw uniform numbers for the views of this process.

    The numbers of the whole global batch are drawn, some hundreds of bytes per image, and this
    process takes its rows: row i of rank r is place i * world + r, as the engine's samplers deal.
    So they depend neither on the number of processes nor on the device or a restart. Where no
    runner is training they come from torch's global generator.

    Args:
        rows: N, the images of this process, the same on every rank.
        numbers: Numbers an image.
        purpose: Tells the draw apart from others of the same step.

    Returns:
        N x ``numbers`` float64 in [0, 1), on the host.
    """
    run = run_seed()
    if run is None:
        return torch.rand(rows, numbers, dtype=torch.float64)
    iteration = int(MessageHub.get_current_instance().get_info('iter') or 0)
    (seed,) = derive_seeds(1, run, iteration, purpose=purpose)
    generator = torch.Generator().manual_seed(int(seed))
    world, rank = get_world_size(), get_rank()
    table = torch.rand(rows * world, numbers, generator=generator, dtype=torch.float64)
    return table[rank::world]

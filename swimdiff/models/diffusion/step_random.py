"""Random numbers of a step that depend on the run's seed, the iteration and the place in the batch.

They depend neither on the rank nor on what was drawn before, so that one process and many draw the
same for an image, and a resumed run draws again what the broken one drew. Place p of the global
batch is row i of rank r with p = i * world + r: the engine's samplers deal round robin.
"""

import math

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MessageHub
from torch import Tensor

from swimdiff.models.diffusion.noise_schedule import NoiseSchedule
from swimdiff.randomness import derive_seeds, run_seed

__all__ = ['draw_noise', 'draw_uniform', 'part_of_batch']


def part_of_batch(share: float, rows: int) -> tuple[int, float]:
    """Return this process's rows of the first ``share`` of the global batch.

    Args:
        share (float): In (0, 1].
        rows (int): N, the rows of this process, the same on every rank.

    Returns:
        tuple[int, float]: How many of the first rows are in, and the factor that makes the mean
        over processes of the means over these rows the mean over the whole part. A process with no
        row in the part takes one with the factor 0: all processes run the same computation.
    """
    world, rank = get_world_size(), get_rank()
    total = math.ceil(share * rows * world)
    mine = max(0, math.ceil((total - rank) / world))
    return max(mine, 1), mine * world / total


def _seeds(rows: int) -> np.ndarray | None:
    """Seeds of this step: one for all of the batch, then one per place; None without a runner."""
    seed = run_seed()
    if seed is None:
        return None
    return derive_seeds(1 + rows * get_world_size(), seed, _step())


@torch.compiler.disable
def draw_uniform(rows: int, count: int, purpose: str, device: torch.device) -> Tensor:
    """Draw some numbers for each image.

    Args:
        rows (int): M, the first rows of this process.
        count (int): K, numbers an image.
        purpose (str): Name of the stream, so that two users do not draw the same.
        device (torch.device): Where they are wanted. Where no runner is training they are drawn
            from its global generator, otherwise on the host and sent.

    Returns:
        Tensor: M x K float32 in [0, 1).
    """
    seed = run_seed()
    if seed is None:
        return torch.rand(rows, count, device=device)
    world, rank = get_world_size(), get_rank()
    stream = np.random.default_rng(derive_seeds(1, seed, _step(), purpose=purpose))
    # NumPy draws in order: the first places get the same however many follow.
    numbers = stream.random((rows * world, count), dtype=np.float32)[rank::world]
    return torch.from_numpy(numbers.copy()).to(device, non_blocking=True)


def _step() -> int:
    return MessageHub.get_current_instance().get_info('iter') or 0


@torch.compiler.disable
def draw_noise(x_0: Tensor, rows: int, schedule: NoiseSchedule) -> tuple[Tensor, Tensor]:
    """Draw the time step and the noise of each image.

    Torch's own generator is seeded again for each image, which costs the host microseconds and no
    wait. Where no runner is training, its position is not known and both are drawn from the
    device's global generator.

    Args:
        x_0 (Tensor): M x C x H x W images: the first M rows of this process.
        rows (int): N >= M, the rows of this process, the same on every rank.
        schedule (NoiseSchedule): Knows T.

    Returns:
        tuple[Tensor, Tensor]: M int64 steps in [0, T) and M x C x H x W standard normal noise, in
        the memory format of ``x_0``; the numbers do not depend on the format.
    """
    eps = torch.empty(x_0.shape, dtype=x_0.dtype, device=x_0.device)
    seeds = _seeds(rows)
    if seeds is None:
        t = schedule.sample_steps(len(x_0))
        eps.normal_()
    else:
        generator = torch.Generator(x_0.device).manual_seed(int(seeds[0]))
        world, rank = get_world_size(), get_rank()
        t = schedule.sample_steps(rows * world, generator)[rank::world][: len(x_0)]
        for row, seed in zip(eps, seeds[1:][rank::world], strict=False):
            row.normal_(generator=generator.manual_seed(int(seed)))
    if x_0.is_contiguous(memory_format=torch.channels_last):
        eps = eps.contiguous(memory_format=torch.channels_last)
    return t, eps

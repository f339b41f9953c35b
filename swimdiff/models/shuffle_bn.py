"""Shuffling batch norm: key views change processes for the time of the key encoder.

Paper of MoCo (arXiv 1911.05722, section 3.3): without it, batch-norm statistics shared by a query
and its key give the answer away. The engine's ``batch_shuffle_ddp`` draws its permutation on the
host and broadcasts it, a wait in every step; here every process draws the same one on its own
device.
"""

import torch
from mmengine.dist import all_gather, get_rank, get_world_size
from mmengine.logging import MessageHub
from torch import Tensor

__all__ = ['shuffle_ranks', 'unshuffle_ranks']


def _order(total: int, device: torch.device) -> Tensor:
    """The permutation of this step, from the runner's position: a resumed run repeats it."""
    step = MessageHub.get_current_instance().get_info('iter') or 0
    generator = torch.Generator(device=device).manual_seed(step)
    return torch.randperm(total, generator=generator, device=device)


@torch.no_grad()
def shuffle_ranks(x: Tensor) -> tuple[Tensor, Tensor]:
    """Deal the images of all processes out anew.

    Args:
        x (Tensor): N x ... of this process; N is the same on every rank.

    Returns:
        tuple[Tensor, Tensor]: N x ... images now on this process, and the order of all N * world.
    """
    gathered = torch.cat(all_gather(x.contiguous()))
    order = _order(len(gathered), x.device)
    return gathered[order.view(get_world_size(), -1)[get_rank()]], order


@torch.no_grad()
def unshuffle_ranks(z: Tensor, order: Tensor) -> Tensor:
    """Bring what was computed from shuffled images back to the process each image came from.

    Args:
        z (Tensor): N x D of this process.
        order (Tensor): From :func:`shuffle_ranks`.

    Returns:
        Tensor: N x D, in the order of this process's own images.
    """
    gathered = torch.cat(all_gather(z.contiguous()))
    return gathered[order.argsort().view(get_world_size(), -1)[get_rank()]]

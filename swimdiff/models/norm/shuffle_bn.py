"""Shuffling batch norm: key views change places for the time of the key encoder.

Paper of MoCo (arXiv 1911.05722, section 3.3): without it, batch-norm statistics shared by a query
and its key give the answer away. The engine's ``batch_shuffle_ddp`` draws its permutation on the
device, broadcasts it, and sends every image to every process; here every process draws the same
permutation on its host, where it also tells how many images go where, so that each image travels
once.
"""

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MessageHub
from torch import Tensor, distributed

__all__ = ['key_order', 'shuffle_images']


@torch.compiler.disable  # the position is a new number in every step
def key_order(rows: int) -> Tensor:
    """Return the permutation of this step; a resumed run repeats it.

    It follows from the runner's position.

    Args:
        rows (int): N, the rows of this process, the same on every rank.

    Returns:
        Tensor: N * world places of the global batch, on the host. Slot s of the shuffled batch
        takes the image of place ``order[s]``; like places, slots are dealt round robin.
    """
    step = MessageHub.get_current_instance().get_info('iter') or 0
    generator = torch.Generator().manual_seed(step)
    return torch.randperm(rows * get_world_size(), generator=generator)


@torch.no_grad()
def shuffle_images(x: Tensor, order: Tensor) -> Tensor:
    """Send each image to the process that has its slot, in one collective.

    Args:
        x (Tensor): N x ... of this process.
        order (Tensor): From :func:`key_order`.

    Returns:
        Tensor: N x ..., the images of this process's slots.
    """
    world, rank = get_world_size(), get_rank()
    if world == 1:
        return x[order.to(x.device, non_blocking=True)]
    slots = torch.arange(len(order))
    sender, receiver = order % world, slots % world
    departures = (sender == rank).nonzero().flatten()
    departures = departures[receiver[departures].argsort(stable=True)]  # by receiver, then by slot
    arrivals = (receiver == rank).nonzero().flatten()
    arrivals = arrivals[sender[arrivals].argsort(stable=True)]  # by sender, then by slot

    def moved(index: Tensor) -> Tensor:
        return index.to(x.device, non_blocking=True)

    parcel = x[moved(order[departures] // world)].contiguous()
    received_images = torch.empty_like(parcel)
    distributed.all_to_all_single(
        received_images,
        parcel,
        sender[arrivals].bincount(minlength=world).tolist(),
        receiver[departures].bincount(minlength=world).tolist(),
    )
    return received_images[moved((arrivals // world).argsort())]

"""Questions on which all processes of a run must give one answer."""

import torch
from mmengine.dist import get_world_size
from torch import distributed

__all__ = ['any_process', 'highest']

_groups: dict[object, object] = {}


def _control_group() -> object:
    """A group over the host's network, so that asking waits for no device."""
    world = distributed.group.WORLD
    if distributed.get_backend() == 'gloo':
        return world
    if world not in _groups:
        _groups[world] = distributed.new_group(backend='gloo')
    return _groups[world]


def highest(value: float) -> float:
    """Return the highest of all processes' values.

    Every process has to ask, at the same point of the run.

    Args:
        value: Of this process.
    """
    if get_world_size() == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.float64)
    distributed.all_reduce(tensor, distributed.ReduceOp.MAX, group=_control_group())
    return float(tensor)


def any_process(answer: bool) -> bool:
    """Return whether any process says yes.

    Every process has to ask, at the same point of the run.

    Args:
        answer: What this process says.
    """
    return highest(float(answer)) > 0

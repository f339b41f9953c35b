"""Giving the tensors of one network the names that another library has for them.

Two implementations of one architecture run the same layers in the same order, whatever they call
them. Both are run once on an image, the modules that hold tensors are noted in the order in which
they are entered, and their tensors are paired. That the result is right is not assumed: the outputs
are compared afterwards, see :mod:`swimdiff.weights.converters.conversion`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from swimdiff.errors import CheckpointError

__all__ = ['align_tensors']

Run = Callable[[nn.Module, Tensor], Any]

#: Follow from the size of a window, or count batches; every implementation makes its own.
_DERIVED = ('relative_position_index', 'num_batches_tracked')


@dataclass(frozen=True)
class _Owner:
    """A module that holds tensors itself.

    Args:
        name: Its name in the network, '' for the network.
        tensors: Names of its tensors, of those that are saved.
    """

    name: str
    tensors: tuple[str, ...]

    def full_name(self, tensor: str) -> str:
        return f'{self.name}.{tensor}' if self.name else tensor


def _find_owners(network: nn.Module) -> dict[str, _Owner]:
    saved_names = set(network.state_dict())
    owners = {}
    for name, module in network.named_modules():
        members = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        owner = _Owner(name, tuple(key for key, _ in members if key not in _DERIVED))
        tensors = tuple(key for key in owner.tensors if owner.full_name(key) in saved_names)
        if tensors:
            owners[name] = _Owner(name, tensors)
    return owners


@torch.no_grad()
def _list_entered(network: nn.Module, run: Run, images: Tensor) -> list[_Owner]:
    """Owners of tensors in the order in which a run enters them, each once."""
    owners = _find_owners(network)
    # The network itself comes first even where `run` calls a method of it and not the network.
    entered_owners: dict[str, _Owner] = {'': owners['']} if '' in owners else {}
    handles = []
    for name, module in network.named_modules():
        if name in owners:

            def note(_module: nn.Module, _inputs: Any, name: str = name) -> None:
                entered_owners.setdefault(name, owners[name])

            handles.append(module.register_forward_pre_hook(note))
    try:
        run(network, images)
    finally:
        for handle in handles:
            handle.remove()
    return list(entered_owners.values())


def _pair_names(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the tensors of one layer: by name where both have it, else in order."""
    rest = [name for name in theirs if name not in ours]
    return [(name, name if name in theirs else rest.pop(0)) for name in ours]


def align_tensors(
    ours: nn.Module, run_ours: Run, theirs: nn.Module, run_theirs: Run, images: Tensor
) -> dict[str, Tensor]:
    """Return the tensors of our network under the names of theirs.

    Tensors that our run does not reach, such as the norm of a level that is not given, are left
    out.

    Args:
        ours: Our network with its weights, in evaluation mode.
        run_ours: Calls it with images.
        theirs: The same architecture in another library, in evaluation mode; its weights are
            not used.
        run_theirs: Calls it with images.
        images: N x C x H x W float32.

    Raises:
        CheckpointError: The two have other layers, or layers of other sizes.
    """
    layers, counterparts = (
        _list_entered(network, run, images)
        for network, run in ((ours, run_ours), (theirs, run_theirs))
    )
    if len(layers) != len(counterparts):
        raise CheckpointError(f'{len(layers)} layers against {len(counterparts)} there')
    source, target = ours.state_dict(), theirs.state_dict()
    renamed_state: dict[str, Tensor] = {}
    for own, other in zip(layers, counterparts, strict=True):
        if len(own.tensors) != len(other.tensors):
            raise CheckpointError(
                f'{own.name} holds {len(own.tensors)} tensors, {other.name} {len(other.tensors)}'
            )
        for key, other_key in _pair_names(own.tensors, other.tensors):
            value, name = source[own.full_name(key)], other.full_name(other_key)
            renamed_state[name] = _fit_shape(own.full_name(key), value, name, target[name])
    _copy_counters(renamed_state, target)
    return renamed_state


def _fit_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> Tensor:
    """Bring a tensor to a shape that differs in dimensions of one element only."""
    if [size for size in value.shape if size > 1] != [size for size in other.shape if size > 1]:
        raise CheckpointError(
            f'{name} is {tuple(value.shape)}, {other_name} {tuple(other.shape)} there'
        )
    return value.reshape(other.shape)


def _copy_counters(renamed: dict[str, Tensor], target: Mapping[str, Tensor]) -> None:
    """Add the counters of batch norm, which a strict loading asks for and nothing reads."""
    layers = {name.rpartition('.')[0] for name in renamed}
    for name, value in target.items():
        layer, _, key = name.rpartition('.')
        if key == 'num_batches_tracked' and layer in layers:
            renamed[name] = value.clone()

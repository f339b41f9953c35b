"""Which parts of a model are sharded as a whole (FSDP)."""

from torch import nn

from swimdiff.registry import FUNCTIONS

__all__ = ['encoder_units']


@FUNCTIONS.register_module()
def encoder_units(module: nn.Module, recurse: bool, nonwrapped_numel: int) -> bool:
    """An ``auto_wrap_policy``: modules that ask for it by ``shard_as_unit = True`` are units.

    SwiMDiff asks for backbone and neck, and with them for their copies in the key encoder. Query
    and key are then cut alike, and the moving average is taken between the shards that a process
    has; were they left in the unit of the whole model, an update made during the forward pass would
    be lost with the gathered weights.

    Args:
        module (nn.Module): A part of the model.
        recurse (bool): Whether the question is if its parts should be looked at.
        nonwrapped_numel (int): Unused; the interface has it.
    """
    return recurse or getattr(module, 'shard_as_unit', False)

"""The two places where Swin of OpenMMLab keeps the same numbers in another order than others."""

from typing import Any

from torch import Tensor, nn

__all__ = ['reorder_swin']


def _merge_in_blocks(columns: Tensor) -> Tensor:
    """Reorder the last dimension of the weights that merge 2 x 2 patches.

    OpenMMLab unfolds: input c * 4 + 2 * row + column. The others concatenate the four patches, the
    upper left one, the lower left, the upper right and the lower right: input patch * C + c.
    """
    *lead, length = columns.shape
    patches = columns.reshape(*lead, length // 4, 4)[..., [0, 2, 1, 3]]
    return patches.transpose(-1, -2).reshape(*lead, length)


def _list_indices(network: nn.Module) -> list[tuple[str, Tensor]]:
    modules: list[tuple[str, Any]] = list(network.named_modules())
    return [
        (name, module.relative_position_index.flatten())
        for name, module in modules
        if hasattr(module, 'relative_position_index')
    ]


def reorder_swin(renamed: dict[str, Tensor], ours: nn.Module, theirs: nn.Module) -> None:
    """Reorder patch merging and the tables of positions as theirs are.

    Args:
        renamed: Tensors of ours under the names of theirs; changed in place.
        ours: Swin of OpenMMLab.
        theirs: Swin of another library that concatenates patches.
    """
    for name in renamed:
        if 'downsample.reduction.weight' in name or 'downsample.norm.' in name:
            renamed[name] = _merge_in_blocks(renamed[name])
    pairs = zip(_list_indices(ours), _list_indices(theirs), strict=True)
    for (_, own_index), (layer, index) in pairs:
        name = f'{layer}.relative_position_bias_table'
        table = renamed[name].clone()
        table[index] = renamed[name][own_index]
        renamed[name] = table

"""Layers that the tracer of ONNX cannot follow, replaced for the time of an export.

They compute the same; :func:`swimdiff.weights.converters.onnx_export.export_onnx` compares the file
with the network as it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['make_traceable']


class _AveragePool(nn.Module):
    """``AdaptiveAvgPool2d`` as two products of matrices, for an image of any size."""

    def __init__(self, bins: tuple[int, int]) -> None:
        super().__init__()
        self.bins = bins

    @staticmethod
    def _weights(bins: int, length: Any, like: Tensor) -> Tensor:
        """Share of each pixel in each bin, bins x length."""
        place = torch.arange(length, device=like.device).unsqueeze(0)
        number = torch.arange(bins, device=like.device).unsqueeze(1)
        start = torch.div(number * length, bins, rounding_mode='floor')
        end = torch.div((number + 1) * length + bins - 1, bins, rounding_mode='floor')
        inside = ((place >= start) & (place < end)).to(like.dtype)
        return inside / inside.sum(dim=1, keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C x bins."""
        rows, columns = (
            self._weights(bins, x.shape[axis], x)
            for bins, axis in zip(self.bins, (2, 3), strict=True)
        )
        return rows @ x @ columns.transpose(0, 1)


def _reverse_windows(windows: Tensor, height: Any, width: Any, edge: int) -> Tensor:
    """Put windows together; the number of images is not written into the graph."""
    rows, columns = height // edge, width // edge
    x = windows.view(-1, rows, columns, edge, edge, windows.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[-1])


def _mask_windows(
    shape: tuple[Any, Any], window_size: int, shift_size: int, device: Any = None
) -> Tensor | None:
    """Mask of shifted windows, made in NumPy and thus a constant of the graph."""
    if shift_size <= 0:
        return None
    height, width = (int(length) for length in shape)
    parts = (slice(0, -window_size), slice(-window_size, -shift_size), slice(-shift_size, None))
    regions = np.zeros((height, width), np.float32)
    for number, (rows, columns) in enumerate((r, c) for r in parts for c in parts):
        regions[rows, columns] = number
    blocks = regions.reshape(height // window_size, window_size, width // window_size, window_size)
    windows = blocks.transpose(0, 2, 1, 3).reshape(-1, window_size * window_size)
    apart = windows[:, None, :] != windows[:, :, None]
    return torch.from_numpy(np.where(apart, -100.0, 0.0).astype(np.float32)).to(device)


def _pad_same(module: Any, x: Tensor) -> Tensor:
    """Convolution with the padding of TensorFlow, in whole numbers that follow the size."""
    pads: list[Any] = []
    for axis in (3, 2):
        kernel, stride = module.weight.shape[axis], module.stride[axis - 2]
        spread = (kernel - 1) * module.dilation[axis - 2] + 1
        length = x.shape[axis]
        total = ((length + stride - 1) // stride - 1) * stride + spread - length
        pads += [total // 2, total - total // 2] if spread > stride else [0, 0]
    padded_x = F.pad(x, pads)
    return F.conv2d(
        padded_x, module.weight, module.bias, module.stride, 0, module.dilation, module.groups
    )


def _replacements(module: Any) -> dict[str, Callable]:
    """Methods of a module that are replaced, by name."""
    if hasattr(module, 'window_reverse') and hasattr(module, 'get_attn_mask'):  # Swin
        return dict(window_reverse=_reverse_windows, get_attn_mask=_mask_windows)
    if type(module).__name__ == 'Conv2dAdaptivePadding' and module.padding == (0, 0):
        return dict(forward=MethodType(_pad_same, module))
    return {}


@contextmanager
def make_traceable(network: nn.Module) -> Iterator[None]:
    """Replace what cannot be traced, and put it back afterwards.

    Args:
        network: Changed in place for the time of the block.
    """
    pools = {
        name: part
        for name, part in network.named_modules()
        if isinstance(part, nn.AdaptiveAvgPool2d)
    }
    changed_methods: list[tuple[nn.Module, str]] = []
    try:
        for name, pool in pools.items():
            size = pool.output_size
            bins = size if isinstance(size, tuple) else (size, size)
            network.set_submodule(name, _AveragePool((int(bins[0] or 1), int(bins[1] or 1))))
        for module in network.modules():
            for method, replacement in _replacements(module).items():
                setattr(module, method, replacement)
                changed_methods.append((module, method))
        yield
    finally:
        for name, pool in pools.items():
            network.set_submodule(name, pool)
        for module, method in changed_methods:
            delattr(module, method)

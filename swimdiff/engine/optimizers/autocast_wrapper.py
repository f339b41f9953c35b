"""Mixed precision in a type that needs no loss scaling, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner.amp import autocast
from torch import nn

from swimdiff.registry import OPTIM_WRAPPERS

__all__ = ['AutocastOptimWrapper']


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the forward pass under bfloat16 autocast.

    Otherwise it is the engine's plain wrapper.

    The engine's ``AmpOptimWrapper`` refuses to work without a GPU, and its loss scaler asks the
    device in every step whether a gradient overflowed. bfloat16 has the range of float32, so it
    needs neither.

    Args:
        **options: Those of the engine's ``OptimWrapper``: ``optimizer``, ``accumulative_counts``,
            ``clip_grad``.

    Example::

        optim_wrapper = dict(
            type='AutocastOptimWrapper', optimizer=dict(type='SGD', lr=0.03, momentum=0.9)
        )
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter the engine's gradient accumulation, and autocast.

        Args:
            model (nn.Module): The model in training.
        """
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield

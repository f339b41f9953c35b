"""One backbone for both dates, in the place where mmsegmentation expects a backbone.

Paper, figure 5: both dates go through the pre-trained, frozen query encoder; a difference module
compares the two sets of features; a decoder makes the change map.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['SiameseEncoder']


@MODELS.register_module()
class SiameseEncoder(BaseModule):
    """Encode two dates with the same weights and return the difference by level.

    The dates arrive stacked in the channels (N x 2C x H x W), so that every part of
    mmsegmentation between the data set and the head (sliding window, padding, test-time flips)
    serves unchanged. Both dates pass in one batch of 2N: in fine-tuning, batch norm sees the
    statistics of both.

    Args:
        backbone (dict): Any backbone that returns a pyramid; give it the ``init_cfg`` with the
            pre-trained weights.
        difference (dict, optional): The difference module. Defaults to None, ``FeatureDifference``
            with ``abs``.
        stem (str, optional): Name of the submodule whose output comes before the first stage as the
            finest level. ``auto``: the stem convolution of a ResNet (the protocol's first level,
            before batch norm), nothing for other backbones. None: never. Defaults to ``auto``.
        levels (Sequence[int], optional): Levels to return, counted with the stem, finest first.
            Defaults to None, all.
        frozen (bool): Whether the backbone stays exactly as it is: no gradient, no autograd graph,
            evaluation mode at all times. Defaults to False.
        init_cfg (dict, optional): Initialisation of this wrapper; leave it alone. Defaults to None.

    Raises:
        ConfigError: If the stem or a level is not there.

    Example::

        model = dict(
            backbone=dict(
                type='SiameseEncoder',
                backbone=dict(
                    type='mmpretrain.ResNet', depth=18, in_channels=3, out_indices=(0, 1, 2, 3)
                ),
                difference=dict(type='FeatureDifference', mode='abs'),
                frozen=True,
            )
        )
    """

    def __init__(
        self,
        backbone: dict,
        difference: dict | None = None,
        stem: str | None = 'auto',
        levels: Sequence[int] | None = None,
        frozen: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        self.difference = MODELS.build(
            # With its scope: the default one may be another's (an inferencer of mmseg).
            difference or dict(type='swimdiff.FeatureDifference', mode='abs')
        )
        self.levels = None if levels is None else tuple(levels)
        self.frozen = frozen
        self._stem_features: list[Tensor] = []
        module = self._find_stem(stem)
        self.has_stem = module is not None
        if module is not None:
            module.register_forward_hook(self._keep)
        if frozen:
            self.backbone.requires_grad_(False)
            self.backbone.eval()

    def _find_stem(self, name: str | None) -> nn.Module | None:
        if name is None:
            return None
        if name == 'auto':
            is_resnet = hasattr(self.backbone, 'res_layers')
            layers = [getattr(self.backbone, part, None) for part in ('conv1', 'stem')]
            return next((part for part in layers if part is not None), None) if is_resnet else None
        parts = dict(self.backbone.named_modules())
        if name not in parts:
            raise ConfigError(
                f'SiameseEncoder: stem={name!r}, but {type(self.backbone).__name__} has no such '
                f'submodule; at its top are {", ".join(n for n in parts if n and "." not in n)}.'
            )
        return parts[name]

    def _keep(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self._stem_features.append(output)

    def train(self, mode: bool = True) -> 'SiameseEncoder':
        """Switch the mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def _pyramid(self, images: Tensor) -> list[Tensor]:
        self._stem_features.clear()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.backbone(images)
        pyramid = [features] if isinstance(features, Tensor) else list(features)
        if self.has_stem:
            pyramid = [*self._stem_features[:1], *pyramid]
            self._stem_features.clear()
        return pyramid

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Encode and compare.

        Args:
            inputs (Tensor): N x 2C x H x W, the channels of the first date before those of the
                second.

        Returns:
            tuple[Tensor, ...]: The difference at each chosen level, finest first.

        Raises:
            ConfigError: If the channels cannot be halved or a chosen level is not there.
        """
        if inputs.shape[1] % 2:
            raise ConfigError(
                f'SiameseEncoder: got {inputs.shape[1]} channels; expected those of two dates, one '
                'after the other, thus an even number.'
            )
        pyramid = self._pyramid(torch.cat(inputs.chunk(2, dim=1)))
        levels: Sequence[Any] = range(len(pyramid)) if self.levels is None else self.levels
        if min(levels) < 0 or max(levels) >= len(pyramid):
            raise ConfigError(
                f'SiameseEncoder: levels={self.levels}, but there are {len(pyramid)} '
                f'({"the stem and " if self.has_stem else ""}the out_indices of the backbone).'
            )
        return tuple(self.difference(*pyramid[level].chunk(2)) for level in levels)

"""The U-Net decode head of the OSCD protocol (Manas et al., SeCo, ICCV 2021)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['ChangeUNetHead']


class _UpBlock(nn.Module):
    """Nearest up-sampling, conv to the skip's width, concatenation, conv-BN-ReLU."""

    def __init__(self, in_channels: int, skip_channels: int, norm_cfg: dict) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(in_channels, skip_channels, 3, padding=1)
        self.merge = nn.Conv2d(2 * skip_channels, skip_channels, 3, padding=1, bias=False)
        self.norm = build_norm_layer(norm_cfg, skip_channels)[1]

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        # To the skip's size rather than times two: odd sizes and stages of equal stride fit too.
        x = self.shrink(F.interpolate(x, size=skip.shape[2:], mode='nearest'))
        return F.relu(self.norm(self.merge(torch.cat([x, skip], dim=1))))


@MODELS.register_module()
class ChangeUNetHead(BaseDecodeHead):
    """Decode the differences of any pyramid by a U-Net.

    From the coarsest level to the finest: nearest up-sampling, 3x3 conv to the skip's width,
    concatenation, 3x3 conv, batch norm, ReLU, dropout of whole channels; at the end a 1x1 conv
    and nearest up-sampling to the size of the image.

    Args:
        in_channels (Sequence[int]): Channels of the levels, finest first; at least two.
        dropout_ratio (float): Defaults to 0.3.
        norm_cfg (dict, optional): Defaults to None, batch norm.
        init_cfg (dict, optional): Defaults to None, torch's own initialisation, as in the protocol.
        **kwargs: ``num_classes``, ``out_channels``, ``threshold``, ``loss_decode`` and the like,
            see mmsegmentation's ``BaseDecodeHead``.

    Raises:
        ConfigError: If there are fewer than two levels, or the features have other channels.

    Example::

        model = dict(
            decode_head=dict(
                type='ChangeUNetHead',
                in_channels=(64, 64, 128, 256, 512),  # stem and stages of a ResNet-18
                num_classes=2,
                out_channels=1,
                threshold=0.5,
                loss_decode=dict(type='mmseg.CrossEntropyLoss', use_sigmoid=True),
            )
        )
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        dropout_ratio: float = 0.3,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        widths = tuple(in_channels)
        if len(widths) < 2:
            raise ConfigError(
                f'ChangeUNetHead: in_channels={widths}; expected one number per level, at least '
                'two, finest first.'
            )
        norm = norm_cfg or dict(type='BN')
        super().__init__(
            in_channels=widths,
            channels=widths[0],
            in_index=tuple(range(len(widths))),
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            norm_cfg=norm,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.blocks = nn.ModuleList(
            _UpBlock(coarse, fine, norm) for fine, coarse in pairwise(widths)
        )

    def _check(self, features: Sequence[Tensor]) -> None:
        channels = tuple(level.shape[1] for level in features)
        if channels != tuple(self.in_channels):
            raise ConfigError(
                f'ChangeUNetHead: in_channels={tuple(self.in_channels)}, but the encoder gives '
                f'levels of {channels} channels. Set decode_head.in_channels={channels}, or choose '
                'backbone.levels.'
            )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Decode.

        Args:
            inputs (Sequence[Tensor]): The levels, finest first.

        Returns:
            Tensor: N x classes x h x w logits at the size of the finest level.
        """
        self._check(inputs)
        x = inputs[-1]
        for i in reversed(range(len(self.blocks))):
            x = self.blocks[i](x, inputs[i])
            if i and self.dropout is not None:  # after the last block it is a part of cls_seg
                x = self.dropout(x)
        return self.cls_seg(x)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict:
        """Compute the loss against the masks on nearest up-sampled logits.

        It is the engine's own.
        """
        size = batch_data_samples[0].gt_sem_seg.shape
        logits = F.interpolate(seg_logits, size=tuple(size[-2:]), mode='nearest')
        losses = super().loss_by_feat(logits, batch_data_samples)
        if self.out_channels == 1:
            # The engine's accuracy takes an argmax: of one logit, the share of unchanged pixels.
            del losses['acc_seg']
        return losses

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return logits at the size of the image, nearest up-sampled."""
        meta = batch_img_metas[0]
        # A sliding window puts its own size into img_shape, as a torch.Size.
        whole = isinstance(meta['img_shape'], torch.Size) or 'pad_shape' not in meta
        size = tuple(meta['img_shape' if whole else 'pad_shape'][:2])
        return F.interpolate(seg_logits, size=size, mode='nearest')

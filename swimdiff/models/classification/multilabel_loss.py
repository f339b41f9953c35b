"""The loss of BigEarthNet's protocol."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from swimdiff.registry import MODELS

__all__ = ['MultiLabelSoftMarginLoss']


@MODELS.register_module()
class MultiLabelSoftMarginLoss(nn.Module):
    """Average binary cross entropy over the classes, for ``mmpretrain`` heads.

    ``mmpretrain``'s own cross entropy sums over the classes, so the learning rates of published
    protocols would not carry over, nor from 19 classes to 43.

    Args:
        loss_weight (float): Factor. Defaults to 1.

    Example::

        model = dict(
            head=dict(
                type='mmpretrain.MultiLabelLinearClsHead',
                num_classes=19,
                in_channels=512,
                loss=dict(type='MultiLabelSoftMarginLoss'),
            )
        )
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, score: Tensor, target: Tensor, **_: Any) -> Tensor:
        """Return the mean loss of scores and 0/1 targets, both N x C."""
        return self.loss_weight * F.multilabel_soft_margin_loss(score, target)

"""mmsegmentation's segmentor without the accuracy that means nothing for one logit."""

from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from swimdiff.registry import MODELS

__all__ = ['ChangeSegmentor']


@MODELS.register_module()
class ChangeSegmentor(EncoderDecoder):
    """Segment with ``mmseg.EncoderDecoder`` and any head of one logit.

    The engine's heads log ``acc_seg``, the accuracy of an argmax over the logits. Of one logit it
    is the share of unchanged pixels, so it is left out. A batch without a single labelled pixel,
    which the engine's loss cannot take, has the loss 0. See mmsegmentation for the options.

    Examples:
        >>> model = dict(
        ...     type='ChangeSegmentor',
        ...     backbone=dict(type='SiameseEncoder', backbone=dict(type='mmpretrain.ResNet')),
        ...     decode_head=dict(type='ChangeUNetHead', in_channels=(64, 64, 128, 256, 512)),
        ... )
    """

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Return the losses of the heads.

        Args:
            inputs (Tensor): N x 2C x H x W.
            data_samples (list): N samples with masks; pixels of 255 are left out.
        """
        ignore_index = self._ignore_index()
        masks = torch.stack([sample.gt_sem_seg.data for sample in data_samples])
        if bool((masks != ignore_index).any()):
            losses = super().loss(inputs, data_samples)
        else:
            stand_ins = [_clear_mask(sample) for sample in data_samples]
            losses = {name: 0 * value for name, value in super().loss(inputs, stand_ins).items()}
        if self.out_channels > 1:
            return losses
        return {name: value for name, value in losses.items() if not name.endswith('acc_seg')}

    def _ignore_index(self) -> int:
        heads: Any = self.decode_head
        head: Any = heads[0] if isinstance(heads, torch.nn.ModuleList) else heads
        return int(head.ignore_index)


def _clear_mask(sample: SegDataSample) -> SegDataSample:
    """Return the sample with a mask of no change."""
    mask = PixelData(data=torch.zeros_like(sample.gt_sem_seg.data))
    return SegDataSample(gt_sem_seg=mask, metainfo=sample.metainfo)

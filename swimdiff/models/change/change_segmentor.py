"""mmsegmentation's segmentor without the accuracy that means nothing for one logit."""

from mmseg.models import EncoderDecoder
from torch import Tensor

from swimdiff.registry import MODELS

__all__ = ['ChangeSegmentor']


@MODELS.register_module()
class ChangeSegmentor(EncoderDecoder):
    """``mmseg.EncoderDecoder`` for heads of one logit, whatever the head.

    The engine's heads log ``acc_seg``, the accuracy of an argmax over the logits. Of one logit it
    is the share of unchanged pixels, so it is left out; see mmsegmentation for the options.
    """

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """The losses of the heads.

        Args:
            inputs (Tensor): N x 2C x H x W.
            data_samples (list): N samples with masks.
        """
        losses = super().loss(inputs, data_samples)
        if self.out_channels > 1:
            return losses
        return {name: value for name, value in losses.items() if not name.endswith('acc_seg')}

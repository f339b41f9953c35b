"""mmsegmentation's segmentor on a pre-trained backbone that is trained on, or left as it is."""

from typing import Any

from mmseg.models import EncoderDecoder

from swimdiff.registry import MODELS

__all__ = ['CoverSegmentor']


@MODELS.register_module()
class CoverSegmentor(EncoderDecoder):
    """Segment land cover, with ``frozen`` that means frozen for any backbone.

    Otherwise it is ``mmseg.EncoderDecoder``.

    The backbones' own ``frozen_stages`` counts differently in each of them and leaves some norms to
    be trained, so the whole backbone is frozen here. Few polygons are learned by a head; they spoil
    a backbone that is trained on.

    Args:
        backbone (dict): Any backbone that returns a pyramid, with the ``init_cfg`` of its weights.
        decode_head (dict): Any head of mmsegmentation, or ``ChangeUNetHead``.
        frozen (bool): No gradient for the backbone, and evaluation mode throughout. Defaults to
            False.
        **kwargs: See ``mmseg.EncoderDecoder``.

    Examples:
        >>> model = dict(
        ...     type='CoverSegmentor',
        ...     frozen=True,
        ...     backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(0, 1, 2, 3)),
        ...     decode_head=dict(type='mmseg.UPerHead', in_channels=(64, 128, 256, 512)),
        ... )
    """

    def __init__(
        self, backbone: dict, decode_head: dict, frozen: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self.frozen = frozen
        if frozen:
            self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> 'CoverSegmentor':
        """Switch the mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

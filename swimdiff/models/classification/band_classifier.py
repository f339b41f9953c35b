"""mmpretrain's image classifier for images of any bands, its backbone trained or frozen."""

from typing import Any

from mmpretrain.models.classifiers import ImageClassifier

from swimdiff.registry import MODELS

__all__ = ['BandClassifier']


@MODELS.register_module()
class BandClassifier(ImageClassifier):
    """Classify with any preprocessor, and with ``frozen`` that means frozen.

    Otherwise it is ``mmpretrain.ImageClassifier``.

    The backbones' own ``frozen_stages`` counts from 1 in ResNet and ConvNeXt and from 0 in Swin,
    and leaves norms of ConvNeXt to be trained, so the whole backbone is frozen here.

    Args:
        backbone (dict): Any ``mmpretrain`` backbone.
        frozen (bool): No gradient for the backbone, and evaluation mode throughout: batch-norm
            statistics do not move and nothing is dropped at random. Defaults to False.
        data_preprocessor (dict, optional): Usually :class:`MultiBandPreprocessor`.
        **kwargs: Neck, head and further options of ``mmpretrain.ImageClassifier``.

    Example::

        model = dict(
            type='BandClassifier',
            frozen=True,
            backbone=dict(type='mmpretrain.ResNet', depth=18, in_channels=3),
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=512),
        )
    """

    def __init__(
        self,
        backbone: dict,
        frozen: bool = False,
        data_preprocessor: dict | None = None,
        **kwargs: Any,
    ) -> None:
        # Built here: the base class would hand it an option for mixing batches that ours lacks.
        preprocessor = MODELS.build(data_preprocessor) if data_preprocessor else None
        super().__init__(backbone=backbone, data_preprocessor=preprocessor, **kwargs)
        self.frozen = frozen
        if frozen:
            self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> 'BandClassifier':
        """Switch the mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

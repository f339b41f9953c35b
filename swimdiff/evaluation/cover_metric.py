"""IoU and F1 of classes per pixel, with scores that say which split they are of."""

from typing import Any

from swimdiff.environment.diagnosis import quiet
from swimdiff.evaluation.classification_metrics import WholeSplit
from swimdiff.registry import METRICS

with quiet():  # the engine prints, when first imported, which optional parts are not there
    from mmseg.evaluation import IoUMetric

__all__ = ['SplitIoU']


@METRICS.register_module()
class SplitIoU(WholeSplit, IoUMetric):
    """Add ``split`` and ``samples`` to ``mmseg.IoUMetric``.

    Scores are in percent, from one count of pixels over the whole split, without pixels of 255. A
    class without a pixel, labelled or predicted, is left out of the means. (The engine's mean F1
    also leaves out classes that are labelled and never predicted, so it flatters.) The table in the
    log has the scores of every class.

    Args:
        **kwargs: See ``mmseg.IoUMetric``, above all ``iou_metrics``.

    Raises:
        DataError: Not every sample of the split was scored.

    Examples:
        >>> test_evaluator = dict(type='SplitIoU', iou_metrics=['mIoU'])
    """

    default_prefix = 'cover'

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Return the scores over all samples, in percent."""
        about = self._about(results)
        return {**super().compute_metrics(results), **about}

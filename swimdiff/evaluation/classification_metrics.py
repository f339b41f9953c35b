"""Metrics of scene classification whose scores say which split they are of, and on how many."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from swimdiff.environment.diagnosis import quiet
from swimdiff.errors import DataError
from swimdiff.evaluation.average_precision import mean_average_precision
from swimdiff.registry import METRICS

with quiet():  # the engine prints, when first imported, which optional parts are not there
    from mmpretrain.evaluation import Accuracy
    from mmpretrain.structures import label_to_onehot

__all__ = ['MultiLabelAP', 'SplitAccuracy', 'WholeSplit']


class WholeSplit(BaseMetric):
    """Score every sample of a split, and say which split that was."""

    _expected: int | None = None

    def evaluate(self, size: int) -> dict[str, Any]:
        """Collect from all processes; ``size`` is the number of samples of the split."""
        self._expected = size
        return super().evaluate(size)

    def _about(self, results: Sequence[Any]) -> dict[str, Any]:
        """Split and number of samples behind a score.

        Raises:
            DataError: Nothing was evaluated, or not the whole split.
        """
        split = (self.dataset_meta or {}).get('split', 'unnamed')
        if not results:
            raise DataError(
                f'No sample was evaluated of the split {split}. Expected at least one; check the '
                'split lists and the `limit` of the data set.'
            )
        if self._expected is not None and len(results) != self._expected:
            raise DataError(
                f'{type(self).__name__}: {len(results)} samples of the split {split} were scored; '
                f'expected {self._expected}. Every sample must be scored: use a loader without '
                'drop_last and a sampler that visits all.'
            )
        # A float: the engine's JSON log drops whole numbers.
        return dict(split=split, samples=float(len(results)))


@METRICS.register_module()
class SplitAccuracy(WholeSplit, Accuracy):
    """Add ``split`` (name, hash, part) and ``samples`` to ``mmpretrain.Accuracy``.

    Examples:
        >>> test_evaluator = dict(type='SplitAccuracy')
    """

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Return accuracy over all samples, in per cent."""
        about = self._about(results)
        return {**super().compute_metrics(results), **about}


@METRICS.register_module()
class MultiLabelAP(WholeSplit):
    """Score mAP and F1 of several labels, macro and micro, over the whole split.

    Args:
        threshold: Score from which a label counts as predicted, for F1.
        collect_device: Where results of several processes meet.
        prefix: Name in front of the scores.

    Examples:
        >>> test_evaluator = dict(type='MultiLabelAP', threshold=0.5)
    """

    default_prefix = 'multi-label'

    def __init__(
        self, threshold: float = 0.5, collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep scores and targets of a batch."""
        for sample in data_samples:
            score = sample['pred_score'].detach().cpu()
            if 'gt_score' in sample:
                target = sample['gt_score'].cpu()
            else:
                target = label_to_onehot(sample['gt_label'].cpu(), len(score))
            self.results.append((score.float().numpy(), target.numpy().astype(np.uint8)))

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Return scores in per cent; macro means are over ``classes`` classes."""
        about = self._about(results)
        scores = np.stack([score for score, _ in results])
        targets = np.stack([target for _, target in results])
        predicted_labels = scores >= self.threshold
        hits = (predicted_labels & (targets == 1)).sum(axis=0, dtype=np.int64)
        both = predicted_labels.sum(axis=0, dtype=np.int64) + targets.sum(axis=0, dtype=np.int64)
        occur = targets.any(axis=0)
        f1 = 2 * hits / np.maximum(both, 1)
        return dict(
            **mean_average_precision(scores, targets),
            F1_macro=100.0 * float(f1[occur].mean()) if occur.any() else float('nan'),
            F1_micro=100.0 * 2 * float(hits.sum()) / max(float(both.sum()), 1.0),
            **about,
        )

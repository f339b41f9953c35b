"""The threshold of a change map: chosen on validation, kept in the checkpoint, used on the test.

A network trained on few changed pixels is seldom at its best at 0.5. Probabilities are counted in
bins of 1/256, so the F1 of each of 256 thresholds is exact, and counts of single samples add up
over batches and processes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.config import Config

__all__ = [
    'BINS',
    'THRESHOLD_KEY',
    'average_precision',
    'choose_threshold',
    'count_probabilities',
    'set_test_threshold',
]

#: Where a checkpoint has the threshold, a number from 0 to 1.
THRESHOLD_KEY = 'change_threshold'
#: Thresholds are multiples of 1 / BINS.
BINS = 256


def count_probabilities(
    probability: np.ndarray, mask: np.ndarray, ignore_index: int = 255
) -> np.ndarray:
    """Count pixels by mask and probability of change.

    Args:
        probability: Any shape, 0 to 1.
        mask: Same shape; 0 no change, 1 change, ``ignore_index`` not counted.
        ignore_index: Value of the pixels that are not counted.

    Returns:
        2 x 257 int32, of unchanged and of changed pixels. Column b holds the pixels whose
        probability is above (b - 1) / 256 and not above b / 256.
    """
    is_known = mask != ignore_index
    # Times a power of two is exact, so that p > k / 256 is bin > k.
    bins = np.ceil(np.asarray(probability, np.float64)[is_known] * BINS).astype(np.int64)
    bins = np.clip(bins, 0, BINS)
    pairs = (mask[is_known] == 1) * (BINS + 1) + bins
    return np.bincount(pairs, minlength=2 * (BINS + 1)).reshape(2, -1).astype(np.int32)


def choose_threshold(counts: np.ndarray) -> tuple[float, float] | None:
    """Choose the threshold with the best F1; of equals the one nearest to 0.5.

    Args:
        counts: Sum of :func:`count_probabilities`.

    Returns:
        The threshold, above which a pixel is change, and its F1 in percent; None where no pixel is
        changed or no threshold finds any.
    """
    unchanged_counts, changed_counts = np.asarray(counts, np.int64)
    # Pixels above k / 256, for k from 0 to 255.
    hits = changed_counts[::-1].cumsum()[::-1][1:]
    wrong = unchanged_counts[::-1].cumsum()[::-1][1:]
    total = changed_counts.sum()
    if not hits.any():
        return None
    # 2 TP / (2 TP + FP + FN), where TP + FN is what is changed.
    scores = 2 * hits / (hits + wrong + total)
    thresholds = np.arange(BINS) / BINS
    best = np.flatnonzero(scores == scores.max())
    chosen_bin = best[np.argmin(np.abs(thresholds[best] - 0.5))]
    return float(thresholds[chosen_bin]), 100 * float(scores[chosen_bin])


def average_precision(counts: np.ndarray) -> float:
    """Return the average precision, the quality of the ranking at any threshold.

    The mean of the precision at each threshold, weighted by the recall that it adds; the share of
    changed pixels where the ranking is no better than chance.

    Args:
        counts: Sum of :func:`count_probabilities`.

    Returns:
        0 to 100; 0 where no pixel is changed.
    """
    unchanged_counts, changed_counts = np.asarray(counts, np.int64)[:, ::-1]
    hits, wrong = changed_counts.cumsum(), unchanged_counts.cumsum()
    if not hits[-1]:
        return 0.0
    precision = hits / np.maximum(hits + wrong, 1)
    return 100 * float((precision * changed_counts).sum() / hits[-1])


def set_test_threshold(cfg: Config, meta: Mapping[str, Any]) -> float | None:
    """Let the metrics of a test also report at the threshold of a checkpoint.

    Args:
        cfg: Config of the test, changed in place; a ``ChangeMetric`` that states its own
            ``threshold`` keeps it.
        meta: Meta of the checkpoint.

    Returns:
        The threshold; None where the checkpoint has none.
    """
    threshold = meta.get(THRESHOLD_KEY)
    if threshold is None:
        return None
    evaluator = cfg.get('test_evaluator') or []
    for metric in evaluator if isinstance(evaluator, list | tuple) else [evaluator]:
        if str(metric.get('type', '')).rsplit('.', 1)[-1] == 'ChangeMetric':
            metric.setdefault('threshold', float(threshold))
    return float(threshold)

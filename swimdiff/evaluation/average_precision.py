"""Average precision over a whole split, macro and micro."""

import numpy as np

__all__ = ['average_precision', 'mean_average_precision']


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Return the area under the precision-recall steps.

    It is the sum of (R_i - R_(i-1)) P_i over distinct scores.

    Samples of equal score enter together, so that their order cannot matter.

    Args:
        scores: N numbers, the higher the more positive.
        targets: N values of 0 and 1.

    Returns:
        0..1, or NaN where there is no positive.
    """
    positives = int(targets.sum())
    if positives == 0:
        return float('nan')
    order = np.argsort(-scores, kind='stable')
    ranked_scores, hits = scores[order], np.cumsum(targets[order], dtype=np.float64)
    last = np.flatnonzero(np.append(ranked_scores[1:] != ranked_scores[:-1], True))
    precision, recall = hits[last] / (last + 1), hits[last] / positives
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def mean_average_precision(scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return macro and micro average precision of several labels, in per cent.

    Macro is the mean over the classes that occur in the split; micro ranks all pairs of sample and
    class together, so that frequent classes weigh more.

    Args:
        scores: N x C.
        targets: N x C of 0 and 1.

    Returns:
        ``mAP_macro``, ``mAP_micro`` and ``classes``, the number of classes that macro is over.
    """
    each = np.array(
        [average_precision(scores[:, c], targets[:, c]) for c in range(scores.shape[1])]
    )
    occur = ~np.isnan(each)
    return dict(
        mAP_macro=100.0 * float(each[occur].mean()) if occur.any() else float('nan'),
        mAP_micro=100.0 * average_precision(scores.ravel(), targets.ravel()),
        classes=float(occur.sum()),
    )

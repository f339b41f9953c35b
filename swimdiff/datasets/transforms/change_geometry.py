"""What only a pair of dates has: an order.

Geometry needs nothing of its own: both dates are one image of 2C channels, so ``mmcv.RandomFlip``,
``mmseg.RandomCrop``, ``mmcv.Resize`` and ``RandomQuarterTurn`` move them and the mask together.
"""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from swimdiff.registry import TRANSFORMS

__all__ = ['ChangeSwapDates']


@TRANSFORMS.register_module()
class ChangeSwapDates(BaseTransform):
    """Swap the two dates; the mask stays.

    Of use with a difference that knows their order.

    Args:
        prob: Probability.

    Examples:
        >>> pipeline = [
        ...     dict(type='LoadChangePair'),
        ...     dict(type='ChangeSwapDates', prob=0.5),
        ...     dict(type='mmseg.PackSegInputs'),
        ... ]
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    @cache_randomness
    def draw(self) -> bool:
        """Draw whether to do it."""
        return bool(np.random.rand() < self.prob)

    def transform(self, results: dict) -> dict:
        """Swap the halves of the channels of ``img``."""
        if self.draw():
            results['img'] = np.concatenate(np.split(results['img'], 2, axis=2)[::-1], axis=2)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'

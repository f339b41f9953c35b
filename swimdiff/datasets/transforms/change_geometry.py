"""Geometry of a pair that the engine lacks; its flips, crops and resizes serve as they are.

Both dates are one image of 2C channels, so ``mmcv.RandomFlip``, ``mmseg.RandomCrop`` and
``mmcv.Resize`` move them and the mask together.
"""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from swimdiff.registry import TRANSFORMS

__all__ = ['ChangeQuarterTurn', 'ChangeSwapDates']


@TRANSFORMS.register_module()
class ChangeQuarterTurn(BaseTransform):
    """Turn both dates and the mask by 90, 180 or 270 degrees, each as likely as the others.

    Args:
        prob: Probability of a turn; 0.75 makes all four directions equally likely.
    """

    def __init__(self, prob: float = 0.75) -> None:
        self.prob = prob

    @cache_randomness
    def draw(self) -> int:
        """Number of quarter turns, 0 to 3."""
        return np.random.randint(1, 4) if np.random.rand() < self.prob else 0

    def transform(self, results: dict) -> dict:
        """Turn ``img`` and everything in ``seg_fields``."""
        turns = self.draw()
        for key in ('img', *results['seg_fields']):
            results[key] = np.rot90(results[key], turns)
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


@TRANSFORMS.register_module()
class ChangeSwapDates(BaseTransform):
    """Swap the two dates; the mask stays. Of use with a difference that knows their order.

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    @cache_randomness
    def draw(self) -> bool:
        """Whether to do it."""
        return bool(np.random.rand() < self.prob)

    def transform(self, results: dict) -> dict:
        """Swap the halves of the channels of ``img``."""
        if self.draw():
            results['img'] = np.concatenate(np.split(results['img'], 2, axis=2)[::-1], axis=2)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'

"""Quarter turns: imagery seen from above has no upright direction."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from swimdiff.registry import TRANSFORMS

__all__ = ['RandomQuarterTurn']


@TRANSFORMS.register_module()
class RandomQuarterTurn(BaseTransform):
    """Turn the image, and masks with it, by 90, 180 or 270 degrees.

    Each is as likely as the others.

    Args:
        prob: Probability of a turn; 0.75 makes all four directions equally likely.

    Examples:
        >>> view = [dict(type='RandomQuarterTurn', prob=0.75)]
    """

    def __init__(self, prob: float = 0.75) -> None:
        self.prob = prob

    @cache_randomness
    def draw(self) -> int:
        """Number of quarter turns, 0 to 3."""
        return np.random.randint(1, 4) if np.random.rand() < self.prob else 0

    def transform(self, results: dict) -> dict:
        """Turn ``img`` (H x W x C) and everything in ``seg_fields``; views, no copies."""
        turns = self.draw()
        for key in ('img', *results.get('seg_fields', ())):
            results[key] = np.rot90(results[key], turns)
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'

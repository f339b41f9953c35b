"""Gaussian blur for any number of bands."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from swimdiff.registry import TRANSFORMS

__all__ = ['RandomBlur']


@TRANSFORMS.register_module()
class RandomBlur(BaseTransform):
    """Blur with a Gaussian of random width (MoCo v2).

    Args:
        sigma: Smallest and largest standard deviation in pixels.
        prob: Probability of a blur.

    Examples:
        >>> view = [dict(type='RandomBlur', sigma=(0.1, 2.0), prob=0.5)]
    """

    def __init__(self, sigma: tuple[float, float] = (0.1, 2.0), prob: float = 0.5) -> None:
        self.sigma = sigma
        self.prob = prob

    @cache_randomness
    def draw(self) -> float | None:
        """Draw a standard deviation, or None for no blur."""
        return np.random.uniform(*self.sigma) if np.random.rand() < self.prob else None

    def transform(self, results: dict) -> dict:
        """Blur ``results['img']``, H x W x C."""
        sigma = self.draw()
        if sigma is not None:
            image = np.ascontiguousarray(results['img'])
            blurred_image = cv2.GaussianBlur(image, (0, 0), sigma)
            results['img'] = blurred_image.reshape(image.shape)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(sigma={self.sigma}, prob={self.prob})'

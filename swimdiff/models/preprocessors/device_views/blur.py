"""Gaussian blur of a whole batch, each view with a width of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from swimdiff.datasets.transforms.blur import RandomBlur
from swimdiff.models.preprocessors.device_views.counterpart import Counterpart
from swimdiff.models.preprocessors.device_views.plan import ViewPlan
from swimdiff.models.preprocessors.device_views.stages import Blur
from swimdiff.registry import DEVICE_TRANSFORMS

__all__ = ['DeviceBlur']


def _reach(sigma: Tensor) -> Tensor:
    """Pixels on either side that OpenCV's kernel for 8-bit images covers: 3 sigma, rounded up."""
    return torch.div((6 * sigma + 1).round(), 2, rounding_mode='floor')


@DEVICE_TRANSFORMS.register_module(name='RandomBlur')
class DeviceBlur(Counterpart):
    """Blur like ``RandomBlur``, with the support that OpenCV gives to each width.

    Args:
        transform: The blur of the workers.
        bands: Unused.

    Example::

        data_preprocessor = dict(
            type='DeviceViews', transforms=[dict(type='RandomBlur', sigma=(0.1, 2.0), prob=0.5)]
        )
    """

    replaces = 'RandomBlur'
    numbers = 2

    def __init__(self, transform: RandomBlur, bands: Sequence[str]) -> None:
        super().__init__(transform, bands)
        reach = int(_reach(torch.tensor(max(transform.sigma), dtype=torch.float64)))
        self.offsets = torch.arange(-reach, reach + 1).double()

    def sigmas(self, drawn: Tensor) -> Tensor:
        """Turn N x 2 numbers into N standard deviations in pixels, 0 for no blur."""
        low, high = self.transform.sigma
        return torch.where(drawn[:, 0] < self.transform.prob, low + (high - low) * drawn[:, 1], 0)

    def weights(self, sigma: Tensor) -> Tensor:
        """Turn N standard deviations into N x K weights."""
        sigma = sigma[:, None]
        # Without blur the middle alone has weight.
        bell = torch.exp(-0.5 * (self.offsets / sigma.clamp(min=1e-3)) ** 2)
        bell = bell * (self.offsets.abs() <= _reach(sigma))
        return bell / bell.sum(1, keepdim=True)

    def plan(self, drawn: Tensor, plan: ViewPlan) -> None:
        """Plan the blur."""
        plan.add(Blur(self.weights(self.sigmas(drawn))))

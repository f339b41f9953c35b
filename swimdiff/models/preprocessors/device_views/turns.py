"""Flips and quarter turns of a whole batch; they cost nothing, since the crop samples with them."""

from collections.abc import Sequence

import torch
from mmcv.transforms import RandomFlip
from torch import Tensor

from swimdiff.datasets.transforms.turns import RandomQuarterTurn
from swimdiff.errors import ConfigError
from swimdiff.models.preprocessors.device_views.counterpart import Counterpart
from swimdiff.models.preprocessors.device_views.plan import ViewPlan
from swimdiff.registry import DEVICE_TRANSFORMS

__all__ = ['DeviceQuarterTurn', 'DeviceRandomFlip']

#: Sign of columns and rows after a flip.
_SIGNS = dict(horizontal=(-1, 1), vertical=(1, -1), diagonal=(-1, -1))


@DEVICE_TRANSFORMS.register_module(name='RandomFlip')
class DeviceRandomFlip(Counterpart):
    """Flip like ``mmcv.RandomFlip`` in any of its forms.

    Args:
        transform: The flip of the workers.
        bands: Unused.

    Example::

        data_preprocessor = dict(
            type='DeviceViews',
            transforms=[dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal')],
        )
    """

    replaces = 'mmcv.RandomFlip'
    numbers = 1

    def __init__(self, transform: RandomFlip, bands: Sequence[str]) -> None:
        super().__init__(transform, bands)
        direction = transform.direction
        directions = [direction] if isinstance(direction, str) else list(direction)
        shares = transform.prob
        if not isinstance(shares, list):
            shares = [shares / len(directions)] * len(directions)
        self.limits = torch.tensor(shares, dtype=torch.float64).cumsum(0)
        self.choices = torch.tensor([*(_SIGNS[name] for name in directions), (1, 1)])

    def signs(self, drawn: Tensor) -> Tensor:
        """Turn N x 1 numbers into N x 2 signs of columns and rows.

        -1 is where they are flipped.
        """
        return self.choices[torch.bucketize(drawn[:, 0].contiguous(), self.limits, right=True)]

    def plan(self, drawn: Tensor, plan: ViewPlan) -> None:
        """Flip."""
        signs = self.signs(drawn).double()
        shift = (1 - signs) / 2 * torch.tensor([plan.size[1] - 1, plan.size[0] - 1])
        plan.move(torch.cat([torch.diag_embed(signs), shift[..., None]], dim=2))


@DEVICE_TRANSFORMS.register_module(name='RandomQuarterTurn')
class DeviceQuarterTurn(Counterpart):
    """Turn square views like ``RandomQuarterTurn``.

    Example::

        data_preprocessor = dict(
            type='DeviceViews', transforms=[dict(type='RandomQuarterTurn', prob=0.75)]
        )
    """

    replaces = 'RandomQuarterTurn'
    numbers = 2
    transform: RandomQuarterTurn

    def turns(self, drawn: Tensor) -> Tensor:
        """Turn N x 2 numbers into N quarter turns, 0 to 3."""
        return torch.where(drawn[:, 0] < self.transform.prob, 1 + (drawn[:, 1] * 3).long(), 0)

    def plan(self, drawn: Tensor, plan: ViewPlan) -> None:
        """Turn against the clock, as ``numpy.rot90``."""
        height, width = plan.size
        if height != width:
            raise ConfigError(
                'DeviceViews: RandomQuarterTurn needs square views, so that all of a batch have '
                f'one shape; found {height} x {width}. Crop to a square before it.'
            )
        last = width - 1
        steps = [
            [[1, 0, 0], [0, 1, 0]],
            [[0, -1, last], [1, 0, 0]],
            [[-1, 0, last], [0, -1, last]],
            [[0, 1, 0], [-1, 0, last]],
        ]
        plan.move(torch.tensor(steps, dtype=torch.float64)[self.turns(drawn)])

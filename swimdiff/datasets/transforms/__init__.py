"""Transforms on H x W x C uint8 images of any number of bands, before standardising."""

from swimdiff.datasets.transforms.blur import RandomBlur
from swimdiff.datasets.transforms.change_by_date import ChangeByDate
from swimdiff.datasets.transforms.change_geometry import ChangeSwapDates
from swimdiff.datasets.transforms.change_loading import LoadChangePair
from swimdiff.datasets.transforms.colour import MultiBandColorJitter, RandomGrey
from swimdiff.datasets.transforms.loading import LoadPatch
from swimdiff.datasets.transforms.turns import RandomQuarterTurn
from swimdiff.datasets.transforms.views import PackViews, TwoViews

__all__ = [
    'ChangeByDate',
    'ChangeSwapDates',
    'LoadChangePair',
    'LoadPatch',
    'MultiBandColorJitter',
    'PackViews',
    'RandomBlur',
    'RandomGrey',
    'RandomQuarterTurn',
    'TwoViews',
]

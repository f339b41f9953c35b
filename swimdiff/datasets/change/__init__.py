"""Data sets of two dates and a change mask, and how images are cut into tiles."""

from swimdiff.datasets.change.levir_cd import LEVIRCD
from swimdiff.datasets.change.oscd import OSCD
from swimdiff.datasets.change.pairs import ChangePairs
from swimdiff.datasets.change.tiles import IGNORE, Window, check_tiling, cut, tile_windows

__all__ = [
    'IGNORE',
    'LEVIRCD',
    'OSCD',
    'ChangePairs',
    'Window',
    'check_tiling',
    'cut',
    'tile_windows',
]

"""Data sets of two dates and a change mask."""

from swimdiff.datasets.change.levir_cd import LEVIRCD
from swimdiff.datasets.change.oscd import OSCD
from swimdiff.datasets.change.pairs import ChangePairs

__all__ = ['LEVIRCD', 'OSCD', 'ChangePairs']

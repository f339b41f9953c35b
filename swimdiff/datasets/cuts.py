"""Naming a score by what it was computed on: a cut of a split is not the split."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset

__all__ = ['CutAwareDataset', 'name_cut']


def name_cut(split: str, used: int, total: int) -> str:
    """Return the name of a split, or of a cut of it where not all of it is used.

    Args:
        split: Name of the split.
        used: Number of samples that are used.
        total: Number of samples in the split.
    """
    return split if used == total else f'{split}-cut{used}of{total}'


class CutAwareDataset(BaseDataset):
    """Give the split another name where ``indices`` leaves samples out.

    The engine's options ``indices`` and ``get_subset`` cut a data set without touching its
    metainfo, so that the scores of ten samples would be given under the name of the whole split.
    """

    _indices: Any

    def full_init(self) -> None:
        """Load the data list and cut it, as the engine does, and name the cut."""
        if self._fully_initialized:
            return
        indices, self._indices = self._indices, None
        super().full_init()
        self._indices = indices
        if indices is not None:
            self.get_subset_(indices)

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Cut this data set to some of its samples and name the cut.

        Args:
            indices: Numbers of samples, or how many of the first (negative: of the last).
        """
        self.full_init()
        total = len(self)
        super().get_subset_(indices)
        self._name_cut(total)

    def get_subset(self, indices: Sequence[int] | int) -> BaseDataset:
        """Return a data set of some of the samples, with the name of the cut.

        Args:
            indices: Numbers of samples, or how many of the first (negative: of the last).
        """
        subset: Any = super().get_subset(indices)
        subset._name_cut(len(self))
        return subset

    def _name_cut(self, total: int) -> None:
        split = self._metainfo.get('split')
        if split is not None:
            self._metainfo.update(split=name_cut(split, len(self), total))

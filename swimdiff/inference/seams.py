"""A measure of seams: steps between neighbouring pixels where windows meet, and elsewhere."""

from collections.abc import Sequence

import numpy as np

from swimdiff.inference.map_job import Seams

__all__ = ['SeamMeter']


class SeamMeter:
    """Add up the steps of a map of probabilities, band of rows by band of rows.

    The step of two pixels is half the sum over the classes of the difference of their
    probabilities, for one probability of change its difference. Pixels without data are left out.

    Args:
        columns (Sequence[int]): Columns at which a window takes over from the one before.
        rows (Sequence[int]): Rows likewise.
    """

    def __init__(self, columns: Sequence[int], rows: Sequence[int]) -> None:
        self._columns, self._rows = np.asarray(columns, int), np.asarray(rows, int)
        self._sums = {True: [0.0, 0], False: [0.0, 0]}
        self._above: tuple[np.ndarray, np.ndarray] | None = None

    def _add(self, steps: np.ndarray, valid: np.ndarray, borders: np.ndarray) -> None:
        """Add steps; ``borders`` says which of the last axis are between two windows."""
        for border in (True, False):
            is_chosen = borders == border
            self._sums[border][0] += float(steps[..., is_chosen][valid[..., is_chosen]].sum())
            self._sums[border][1] += int(valid[..., is_chosen].sum())

    def add_band(self, first: int, values: np.ndarray, valid: np.ndarray) -> None:
        """Add the next rows.

        Args:
            first (int): Number of the first of them.
            values (np.ndarray): C x rows x W probabilities.
            valid (np.ndarray): rows x W bool, which pixels have data.
        """
        height, width = valid.shape
        share = 0.5 if len(values) > 1 else 1.0
        across = share * np.abs(np.diff(values, axis=2)).sum(0)
        borders = np.isin(np.arange(1, width), self._columns)
        self._add(across, valid[:, 1:] & valid[:, :-1], borders)
        begin = first
        if self._above is not None:
            values = np.concatenate([self._above[0], values], axis=1)
            valid = np.concatenate([self._above[1], valid], axis=0)
            begin -= 1
        down = share * np.abs(np.diff(values, axis=1)).sum(0)
        borders = np.isin(np.arange(begin + 1, first + height), self._rows)
        self._add(down.T, (valid[1:] & valid[:-1]).T, borders)
        self._above = values[:, -1:].copy(), valid[-1:].copy()

    def measure(self) -> Seams:
        """Return the mean steps so far."""
        means = {
            key: total / count if count else float('nan')
            for key, (total, count) in self._sums.items()
        }
        return Seams(border=means[True], elsewhere=means[False])

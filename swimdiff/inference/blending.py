"""Putting overlapping windows together, strip by strip, in a band of rows.

The weight of a pixel in a window is the product of a weight by row and one by column, and along
each axis the weights of all windows add up to 1. ``crop``: 1 for the window whose middle is
nearest, 0 for others. ``blend``: weights rise smoothly (a squared sine) from the edge of a window
over twice the margin, except at the edge of the raster, where there is no other window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from swimdiff.errors import ConfigError
from swimdiff.inference.windows import Span, WindowPlan

__all__ = ['MODES', 'AxisWeights', 'BandAccumulator', 'find_borders', 'weigh_axis']

MODES = ('crop', 'blend')


@dataclass(frozen=True)
class AxisWeights:
    """Hold the weights of one window along one axis.

    Args:
        span (Span): Pixels with a weight above 0, counted in the raster.
        values (np.ndarray): Their weights, float32.
    """

    span: Span
    values: np.ndarray


def find_borders(spans: Sequence[Span]) -> list[int]:
    """Return the pixels at which each window takes over: the middle of overlaps.

    The first window has none.
    """
    return [(one.last + other.first) // 2 for one, other in pairwise(spans)]


def _weigh_core(spans: Sequence[Span]) -> list[AxisWeights]:
    edges = [0, *find_borders(spans), spans[-1].last]
    return [
        AxisWeights(Span(first, last), np.ones(last - first, np.float32))
        for first, last in pairwise(edges)
    ]


def _weigh_smoothly(spans: Sequence[Span], margin: int) -> list[AxisWeights]:
    length = spans[-1].last
    total = np.zeros(length)
    raw = []
    for span in spans:
        position = np.arange(span.length) + 0.5
        weight = np.ones(span.length)
        if span.first > 0:
            weight *= np.sin(np.pi / 2 * np.minimum(position / (2 * margin), 1)) ** 2
        if span.last < length:
            weight *= np.sin(np.pi / 2 * np.minimum(position[::-1] / (2 * margin), 1)) ** 2
        raw.append(weight)
        total[span.first : span.last] += weight
    return [
        AxisWeights(span, (weight / total[span.first : span.last]).astype(np.float32))
        for span, weight in zip(spans, raw, strict=True)
    ]


def weigh_axis(spans: Sequence[Span], margin: int, mode: str) -> list[AxisWeights]:
    """Return the weights of each window along one axis.

    Args:
        spans (Sequence[Span]): The windows along the axis.
        margin (int): Pixels at each side; windows overlap by twice that.
        mode (str): ``crop`` or ``blend``. Without a margin both are the same.

    Raises:
        ConfigError: An unknown mode.
    """
    if mode not in MODES:
        raise ConfigError(f'mode={mode!r}: expected one of {", ".join(MODES)}.')
    if mode == 'crop' or not margin:
        return _weigh_core(spans)
    return _weigh_smoothly(spans, margin)


class BandAccumulator:
    """Add up the weighted windows of a raster in as many rows as a strip needs.

    Strips are added from the north to the south: all windows of one, then :meth:`finish_strip`.

    Args:
        channels (int): Channels of the windows.
        plan (WindowPlan): The windows.
        mode (str): ``crop`` or ``blend``.
    """

    def __init__(self, channels: int, plan: WindowPlan, mode: str) -> None:
        self._blends = mode == 'blend'
        self._spans = plan.rows, plan.columns
        self._rows = weigh_axis(plan.rows, plan.margin, mode)
        self._columns = weigh_axis(plan.columns, plan.margin, mode)
        # Rows from here on get weights from the strips after this one.
        self._ends = [weights.span.first for weights in self._rows[1:]] + [plan.height]
        firsts = [0, *self._ends[:-1]]
        most = max(row.span.last - first for row, first in zip(self._rows, firsts, strict=True))
        self._first = 0
        self._band = np.zeros((channels, most, plan.width), np.float32)

    @property
    def rows_held(self) -> int:
        """Return the rows that are in memory at once, however many the raster has."""
        return self._band.shape[1]

    def add_window(self, strip: int, column: int, values: np.ndarray) -> None:
        """Add one window.

        Args:
            strip (int): Number of its span of rows.
            column (int): Number of its span of columns.
            values (np.ndarray): C x h x w float32, the whole window.
        """
        rows, columns = self._rows[strip], self._columns[column]
        top, left = self._spans[0][strip].first, self._spans[1][column].first
        part = values[
            :,
            rows.span.first - top : rows.span.last - top,
            columns.span.first - left : columns.span.last - left,
        ]
        if self._blends:
            part = part * (rows.values[:, None] * columns.values[None])
        first = rows.span.first - self._first
        self._band[:, first : first + rows.span.length, columns.span.first : columns.span.last] += (
            part
        )

    def finish_strip(self, strip: int) -> tuple[int, np.ndarray]:
        """Take out the rows that no later strip adds to.

        Args:
            strip (int): The strip whose windows are all added.

        Returns:
            tuple[int, np.ndarray]: Number of the first row, and C x rows x W float32.
        """
        first, count = self._first, self._ends[strip] - self._first
        finished_rows = self._band[:, :count].copy()
        rest = self._band.shape[1] - count
        self._band[:, :rest] = self._band[:, count:].copy()
        self._band[:, rest:] = 0
        self._first += count
        return first, finished_rows

"""Windows over labelled ground and what lies in them, looked at once when a data set is built."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from swimdiff.datasets.change import IGNORE, Window, tile_windows
from swimdiff.datasets.labels.blocks import GroundSplit
from swimdiff.datasets.labels.labelled_ground import LabelledGround

__all__ = ['LabelledWindow', 'mask_labels', 'survey_windows']


class LabelledWindow(NamedTuple):
    """Hold one window of a raster.

    Args:
        window: First row, first column, height and width; may reach over the edge.
        counts: Labelled pixels of each class that belong to the split and have data.
        centre: Class of the pixel in the middle; 255 for none.
        whole: Whether all its ground belongs to the split, so that nothing is to be masked.
    """

    window: Window
    counts: np.ndarray
    centre: int
    whole: bool


def mask_labels(
    labels: np.ndarray, ground: LabelledGround, window: Window, split: GroundSplit | None
) -> np.ndarray:
    """Set labels outside of a split to 255.

    Args:
        labels: H x W of a window inside the raster; changed in place.
        ground: The raster.
        window: The window.
        split: The split; None for all ground.
    """
    if split is not None:
        labels[~split.cover(ground, window)] = IGNORE
    return labels


def survey_windows(
    ground: LabelledGround, tile: int, stride: int | None, split: GroundSplit | None
) -> Iterator[LabelledWindow]:
    """Yield the windows with at least one labelled pixel of the split that has data.

    Args:
        ground: The raster with its labels.
        tile: Side of a window in pixels.
        stride: Distance of two windows; None for windows side by side.
        split: The split; None for all ground.
    """
    rows: dict[int, list[Window]] = {}
    for window in tile_windows(ground.shape, tile, stride):
        rows.setdefault(window[0], []).append(window)
    for row, windows in rows.items():
        strip = ground.clip((row, 0, tile, ground.grid.width))
        labels = ground.read_labels(strip)
        if not (labels != IGNORE).any():
            continue
        own = np.ones(labels.shape, bool) if split is None else split.cover(ground, strip)
        labels[~own] = IGNORE
        _drop_nodata(labels, ground, strip)
        for window in windows:
            part = np.s_[:, window[1] : window[1] + tile]
            window_labels = labels[part]
            counts = np.bincount(window_labels.ravel(), minlength=256)[: len(ground.classes.names)]
            if counts.any():
                inside = tile // 2 < window_labels.shape[0] and tile // 2 < window_labels.shape[1]
                centre = int(window_labels[tile // 2, tile // 2]) if inside else IGNORE
                yield LabelledWindow(window, counts, centre, bool(own[part].all()))


def _drop_nodata(labels: np.ndarray, ground: LabelledGround, strip: Window) -> None:
    """Set labels without data to 255; only columns with labels are read."""
    columns = np.flatnonzero((labels != IGNORE).any(axis=0))
    if not len(columns):
        return
    first, last = int(columns[0]), int(columns[-1]) + 1
    _, valid = ground.read_images((strip[0], first, strip[2], last - first))
    labels[:, first:last][~valid] = IGNORE

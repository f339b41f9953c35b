"""Dividing the globe into blocks of about one size."""

import functools
from dataclasses import dataclass

import numpy as np

from swimdiff.datasets.geo.ground import AXIS, E2, meridian_metres

__all__ = ['BlockGrid']


@functools.cache
def _meridian_table() -> tuple[float, np.ndarray, np.ndarray]:
    """Return a quarter of a meridian in metres; latitudes, and the lengths up to them."""
    table = np.linspace(-90, 90, 100_001)
    return float(meridian_metres(np.array(90.0))), table, meridian_metres(table)


@dataclass(frozen=True)
class BlockGrid:
    """Divide the world into a grid of blocks, about as large everywhere.

    The meridian from pole to pole is divided into equal lengths of about ``metres`` (measured on
    the WGS 84 ellipsoid), each row of latitude into equal parts of its parallel in the middle of
    the row, again of about ``metres``, from the date line on. So it knows nothing of UTM zones or
    tiles.

    Args:
        metres: Side of a block, above 0.
    """

    metres: float

    def find_blocks(self, lonlat: np.ndarray) -> np.ndarray:
        """Return row and column of the blocks.

        Rows count from the south pole, columns from the date line eastward.

        Args:
            lonlat: N x 2 longitudes and latitudes in degrees.

        Returns:
            N x 2 int64.
        """
        lon, lat = np.asarray(lonlat, float).T
        return self.find_along(lon, meridian_metres(lat))

    def find_along(self, lon: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Return the blocks of places known by their distance from the equator.

        Args:
            lon: N longitudes in degrees.
            along: N lengths of the meridian from the equator in metres, negative in the south.

        Returns:
            N x 2 int64.
        """
        quarter, table, lengths = _meridian_table()
        count = max(1, round(2 * quarter / self.metres))
        row = np.floor((along / quarter + 1) / 2 * count)
        row, place = np.unique(np.clip(row, 0, count - 1).astype(np.int64), return_inverse=True)
        # Latitude in the middle of a row, from the length of the meridian: steps are so small
        # against the table's that a line between its points is exact to a millimetre.
        middle = np.interp(((row + 0.5) / count * 2 - 1) * quarter, lengths, table)
        sine, cosine = np.sin(np.radians(middle)), np.cos(np.radians(middle))
        parallel = 2 * np.pi * AXIS * cosine / np.sqrt(1 - E2 * sine**2)
        parts = np.maximum(1, np.round(parallel / self.metres))[place]
        column = np.floor((lon + 180) % 360 / 360 * parts)
        return np.stack([row[place], np.minimum(column, parts - 1).astype(np.int64)], axis=1)

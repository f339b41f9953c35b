"""How much ground the pixels of a map cover, in square metres on the ellipsoid.

A pixel of a projected raster is not as large on the ground as in the plane: 0.08 % smaller in the
middle of a UTM zone, 56 % smaller in Web Mercator at 48 degrees. Areas are therefore taken pixel by
pixel, which is also exact for outlines of any length: a long straight edge of a polygon in one
projection is a curve in another.
"""

import functools

import numpy as np

from swimdiff.inference.products.written_map import WrittenMap

__all__ = ['PixelAreas', 'measure_class_areas']

#: Nodes along each side between which areas are interpolated.
_NODES = 129


class PixelAreas:
    """Compute the area of each pixel of a map.

    A few thousand pixels are measured on the WGS 84 ellipsoid, those between are interpolated: the
    scale of a projection changes smoothly.

    Args:
        made: A map with a coordinate system.

    Raises:
        RasterError: It has none.
    """

    def __init__(self, made: WrittenMap) -> None:
        made.require_crs('measuring areas')
        self._map = made
        self._rows = np.linspace(0, made.height - 1, min(_NODES, made.height))
        self._columns = np.linspace(0, made.width - 1, min(_NODES, made.width))

    @functools.cached_property
    def _nodes(self) -> np.ndarray:
        """Areas of the pixels at the nodes, rows x columns."""
        from pyproj import Geod, Transformer

        assert self._map.transform is not None
        x0, dx, rx, y0, ry, dy = self._map.transform
        rows, columns = np.meshgrid(self._rows, self._columns, indexing='ij')
        # The corners of each pixel, counter-clockwise in the plane of rows and columns.
        down = rows[..., None] + np.array([0, 1, 1, 0])
        along = columns[..., None] + np.array([0, 0, 1, 1])
        to_lonlat = Transformer.from_crs(self._map.crs, 'EPSG:4326', always_xy=True)
        lon, lat = to_lonlat.transform(x0 + along * dx + down * rx, y0 + along * ry + down * dy)
        ellipsoid = Geod(ellps='WGS84')
        areas = [
            abs(ellipsoid.polygon_area_perimeter(*corners)[0])
            for corners in zip(lon.reshape(-1, 4), lat.reshape(-1, 4), strict=True)
        ]
        return np.reshape(areas, rows.shape)

    def read_rows(self, top: int, count: int) -> np.ndarray:
        """Return the areas of some rows of pixels.

        Args:
            top: First row.
            count: Number of rows.

        Returns:
            count x width float64, square metres.
        """
        at = np.arange(top, top + count)
        low = np.clip(np.searchsorted(self._rows, at, 'right') - 1, 0, max(len(self._rows) - 2, 0))
        high = np.minimum(low + 1, len(self._rows) - 1)
        span = np.maximum(self._rows[high] - self._rows[low], 1)
        share = ((at - self._rows[low]) / span)[:, None]
        lines = (1 - share) * self._nodes[low] + share * self._nodes[high]
        across = np.arange(self._map.width)
        return np.stack([np.interp(across, self._columns, line) for line in lines])


def measure_class_areas(made: WrittenMap) -> dict[int, float]:
    """Measure the ground of each class.

    Args:
        made: A map with a coordinate system; it is read in strips.

    Returns:
        Square metres by value of the class, zero for classes that do not occur.

    Raises:
        RasterError: The map has no coordinate system.
    """
    pixels = PixelAreas(made)
    total = np.zeros(256)
    for top, values in made.read_strips():
        areas = pixels.read_rows(top, len(values))
        total += np.bincount(values.ravel(), areas.ravel(), minlength=256)
    return {one.value: float(total[one.value]) for one in made.classes}

"""Connected patches of a map: numbered, measured, small ones left out.

The map is read twice in strips. The first time patches are numbered within each strip and measured;
numbers that touch across two strips are one patch. The second time the final numbers are written
into a raster on disk, from which outlines can be drawn. Memory holds a strip and a few numbers per
patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.datasets.geo import gdal_modules, open_raster, read_band
from swimdiff.inference.products.ground_area import PixelAreas
from swimdiff.inference.products.written_map import MapClass, WrittenMap

__all__ = ['Patches', 'find_patches']


@dataclass(frozen=True)
class Patches:
    """Hold patches of one class whose pixels share edges.

    Args:
        values: Class of each patch, uint8.
        areas: Square metres on the ellipsoid, float64.
        pixels: Number of pixels, int64.
        probabilities: Mean over the pixels that have one, NaN where none has.
        path: int32 raster on the grid of the map; patch ``i`` has the value ``i + 1``, all that is
            left out 0.
    """

    values: np.ndarray
    areas: np.ndarray
    pixels: np.ndarray
    probabilities: np.ndarray
    path: Path


def find_patches(
    made: WrittenMap, classes: Sequence[MapClass], minimum_area: float, path: Path
) -> Patches:
    """Number and measure the patches of a map.

    Args:
        made: The map.
        classes: Only of these.
        minimum_area: Patches smaller than this are left out, square metres.
        path: Where the raster of their numbers goes, a GeoTIFF.

    Raises:
        RasterError: The map has no coordinate system.
    """
    is_chosen = np.zeros(256, bool)
    is_chosen[[one.value for one in classes]] = True
    patch_counter = _Counting(made, is_chosen)
    for top, values in made.read_strips():
        patch_counter.add_strip(top, values)
    merged_patches, owner = patch_counter.merge()
    is_kept = merged_patches.areas >= minimum_area
    number = np.zeros(len(is_kept) + 1, np.int32)
    number[1:][is_kept] = np.arange(1, is_kept.sum() + 1)
    final = np.zeros(len(owner) + 1, np.int32)  # 0: no class wanted
    final[1:] = number[owner + 1]
    _write_numbers(made, is_chosen, final, path)
    return Patches(
        merged_patches.values[is_kept],
        merged_patches.areas[is_kept],
        merged_patches.pixels[is_kept],
        merged_patches.probabilities[is_kept],
        path,
    )


def _label(values: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the patches of a strip from 1 on, by class and then by place."""
    from scipy.ndimage import label

    labels, count = np.zeros(values.shape, np.int32), 0
    for value in np.flatnonzero(np.bincount(values.ravel(), minlength=256)):
        if chosen[value]:
            part, patch_count = label(values == value)
            labels += np.where(part > 0, part + count, 0).astype(np.int32)
            count += patch_count
    return labels, count


class _Counting:
    """Numbers and sums of the first reading, strip by strip."""

    def __init__(self, made: WrittenMap, chosen: np.ndarray) -> None:
        self._chosen, self._areas = chosen, PixelAreas(made)
        self._probability = _Probabilities(made)
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self._count = 0
        self._touching: list[np.ndarray] = []
        self._sums: list[np.ndarray] = []

    def add_strip(self, top: int, values: np.ndarray) -> None:
        labels, patch_count = _label(values, self._chosen)
        labels[labels > 0] += self._count
        if self._last is not None:
            above, classes = self._last
            same = (above > 0) & (classes == values[0])
            self._touching.append(np.unique(np.stack([above[same], labels[0][same]]), axis=1))
        self._last = labels[-1].copy(), values[-1].copy()
        inside = labels > 0
        local = labels[inside] - self._count - 1
        areas = self._areas.read_rows(top, len(values))[inside]
        chances, marks = self._probability.read(top, values, inside)
        kinds = np.zeros(patch_count)
        kinds[local] = values[inside]

        def total(weights: np.ndarray | None = None) -> np.ndarray:
            return np.bincount(local, weights, minlength=patch_count)

        self._sums.append(np.stack([kinds, total(areas), total(), total(chances), total(marks)]))
        self._count += patch_count

    def merge(self) -> tuple[Patches, np.ndarray]:
        """Return the patches, and the patch (from 0) that each number belongs to."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs = np.concatenate([np.zeros((2, 0), int), *self._touching], axis=1) - 1
        shape = (self._count, self._count)
        links = coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape)
        count, owner = connected_components(links, directed=False)
        sums = np.concatenate([np.zeros((5, 0)), *self._sums], axis=1)
        values = np.zeros(count, np.uint8)
        values[owner] = sums[0]
        areas, pixels, chances, known_counts = (np.bincount(owner, row, count) for row in sums[1:])
        with np.errstate(invalid='ignore'):
            means = chances / known_counts
        return Patches(values, areas, pixels.astype(np.int64), means, Path()), owner


class _Probabilities:
    """The probability of each pixel of a map, zero and unknown where there is none."""

    def __init__(self, made: WrittenMap) -> None:
        self._map = made
        self._dataset = open_raster(str(made.probability)) if made.probability else None
        self._band = {one.value: number for number, one in enumerate(made.classes, 1)}

    def read(
        self, top: int, values: np.ndarray, inside: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and whether they are known, of the pixels inside."""
        means = np.full(values.shape, np.nan)
        if self._dataset is not None and self._dataset.RasterCount == 1:
            means = self._read_band(1, top, len(values))
        elif self._dataset is not None:
            for value, number in self._band.items():
                of_class = inside & (values == value)
                if of_class.any() and number <= self._dataset.RasterCount:
                    means[of_class] = self._read_band(number, top, len(values))[of_class]
        chances = means[inside]
        is_known = np.isfinite(chances)
        return np.where(is_known, chances, 0.0), is_known.astype(float)

    def _read_band(self, number: int, top: int, rows: int) -> np.ndarray:
        assert self._dataset is not None
        band = self._dataset.GetRasterBand(number)
        pixels = read_band(band, (0, top, self._map.width, rows))
        scale, offset, no_data = band.GetScale(), band.GetOffset(), band.GetNoDataValue()
        probabilities = pixels * (1.0 if scale is None else scale) + (offset or 0.0)
        if no_data is not None:
            probabilities[np.isnan(pixels) if np.isnan(no_data) else pixels == no_data] = np.nan
        return probabilities


def _write_numbers(made: WrittenMap, chosen: np.ndarray, final: np.ndarray, path: Path) -> None:
    """Write the final number of each pixel; numbering a strip again gives the same numbers."""
    gdal, _ = gdal_modules()
    options = ['COMPRESS=LZW', 'TILED=NO', 'BIGTIFF=IF_SAFER']
    shape: Any = (made.width, made.height, 1, gdal.GDT_Int32)
    raster = gdal.GetDriverByName('GTiff').Create(str(path), *shape, options)
    raster.SetGeoTransform(made.transform)
    raster.SetProjection(made.crs)
    before = 0
    for top, values in made.read_strips():
        labels, patch_count = _label(values, chosen)
        labels[labels > 0] += before
        numbers = final[labels]
        raster.WriteRaster(0, top, made.width, len(numbers), numbers.data.cast('B'))
        before += patch_count
    raster.FlushCache()

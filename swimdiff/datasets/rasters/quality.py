"""How much of a piece of a scene has data, and how much of that is free of cloud.

Judged on a decimated read: every so many pixels one is looked at.
"""

import os
from pathlib import Path

import numpy as np

from swimdiff.datasets.geo import GDAL_ERRORS, gdal_modules
from swimdiff.datasets.rasters.files import RasterTree
from swimdiff.datasets.rasters.opening import BandFile, Extent, SceneRasters
from swimdiff.datasets.rasters.options import CloudMask, RasterOptions
from swimdiff.datasets.rasters.reading import opened, raster_failure

__all__ = ['QualityMap', 'is_judged', 'look']

#: Points that are looked at along a side of a window.
POINTS = 16
#: Bands that are looked at where zeros may be data.
_BANDS = 3
#: Most points along a side of a scene.
_MOST = 4096


class QualityMap:
    """Hold the shares of data and of clear sky over parts of an extent.

    Args:
        extent: The ground, in the scene's system.
        valid: H x W bool, whether a point has data.
        clear: H x W bool, whether it is free of cloud.
    """

    def __init__(self, extent: Extent, valid: np.ndarray, clear: np.ndarray) -> None:
        self.extent, self.shape = extent, valid.shape
        self._valid, self._clear = _summed(valid), _summed(valid & clear)

    def shares(self, extents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share with data of each rectangle, and the clear share of that.

        Args:
            extents: N x 4, west, south, east and north within the extent.

        Returns:
            Two arrays of N shares, 0 to 1.
        """
        west, south, east, north = self.extent
        height, width = self.shape
        x, y = width / (east - west), height / (north - south)
        left = np.clip(np.floor((extents[:, 0] - west) * x + 1e-6), 0, width - 1).astype(int)
        right = np.ceil((extents[:, 2] - west) * x - 1e-6).astype(int)
        top = np.clip(np.floor((north - extents[:, 3]) * y + 1e-6), 0, height - 1).astype(int)
        bottom = np.ceil((north - extents[:, 1]) * y - 1e-6).astype(int)
        right, bottom = np.clip(right, left + 1, width), np.clip(bottom, top + 1, height)

        def counts(table: np.ndarray) -> np.ndarray:
            return table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]

        valid = counts(self._valid)
        share = valid / ((right - left) * (bottom - top))
        return share, counts(self._clear) / np.maximum(valid, 1)


def _summed(marks: np.ndarray) -> np.ndarray:
    table = np.zeros((marks.shape[0] + 1, marks.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(marks, 0, np.int64), 1, out=table[1:, 1:])
    return table


def is_judged(scene: SceneRasters, options: RasterOptions) -> bool:
    """Return whether anything in the files of a scene can make a window unfit.

    Args:
        scene: The scene.
        options: Of the data set.
    """
    gaps = options.zeros_are_nodata or scene.dtype == 'float32'
    gaps |= any(band.nodata is not None or band.masked for band in scene.bands.values())
    return bool((options.min_valid and gaps) or (options.min_clear and scene.mask is not None))


def look(
    tree: RasterTree,
    scene: SceneRasters,
    extent: Extent,
    window: tuple[float, float],
) -> QualityMap:
    """Look at a part of a scene.

    Args:
        tree: The folder of scenes; its options say what counts as no data and as cloud.
        scene: The scene.
        extent: The part, in the scene's system.
        window: Width and height of a patch in units of the system.

    Raises:
        LayoutError: A file is missing.
        RasterError: A file is damaged.
    """
    root, options = tree.root, tree.options
    west, south, east, north = extent
    finest = min(scene.bands.values(), key=lambda band: band.dx)
    shape = (
        _points(north - south, window[1], finest.dy),
        _points(east - west, window[0], finest.dx),
    )
    valid = _valid(tree, scene, extent, shape)
    clear = np.ones(shape, bool)
    if scene.mask is not None and options.clouds is not None and options.min_clear:
        clear = ~_cloudy(_decimated(root, scene.mask, extent, shape), options.clouds)
    return QualityMap(extent, valid, clear)


def _points(length: float, window: float, pixel: float) -> int:
    return int(np.clip(round(length / window * POINTS), 1, min(_MOST, max(1, length / pixel))))


def _valid(
    tree: RasterTree, scene: SceneRasters, extent: Extent, shape: tuple[int, int]
) -> np.ndarray:
    root, options = tree.root, tree.options
    valid, zero = np.ones(shape, bool), np.ones(shape, bool)
    # Coarse bands are read fastest. The cirrus band is 0 in clear sky.
    names = sorted(scene.bands, key=lambda name: (name == 'B10', -scene.bands[name].dx))
    for number, name in enumerate(names[:_BANDS]):
        band = scene.bands[name]
        plane = _decimated(root, band, extent, shape)
        if plane.dtype.kind == 'f':
            valid &= np.isfinite(plane)
        if band.nodata is not None:
            valid &= plane != plane.dtype.type(band.nodata)
        if band.masked and not number:
            valid &= _decimated(root, band, extent, shape, mask=True) != 0
        zero &= plane == 0
        if not (options.zeros_are_nodata and (zero & valid).any()):
            return valid
    return valid & ~zero


def _cloudy(values: np.ndarray, clouds: CloudMask) -> np.ndarray:
    cloudy = np.isin(values, clouds.values)
    if clouds.bits:
        cloudy |= (values.astype(np.int64) & sum(1 << bit for bit in clouds.bits)) != 0
    if clouds.above is not None:
        cloudy |= values > clouds.above
    return cloudy


def _decimated(
    root: Path, band: BandFile, extent: Extent, shape: tuple[int, int], mask: bool = False
) -> np.ndarray:
    """Every so many pixels one of a part of a band, as float64 (from the file's overviews)."""
    gdal, _ = gdal_modules()
    west, south, east, north = extent
    left = min(max(round((west - band.west) / band.dx), 0), band.width - 1)
    top = min(max(round((band.north - north) / band.dy), 0), band.height - 1)
    width = min(max(round((east - west) / band.dx), 1), band.width - left)
    height = min(max(round((north - south) / band.dy), 1), band.height - top)
    path = os.path.join(root, band.file)
    source = opened(path).GetRasterBand(band.channel)
    if mask:
        source = source.GetMaskBand()
    kind = gdal.GDT_Float32 if source.DataType == gdal.GDT_Float32 else gdal.GDT_Float64
    try:
        data = source.ReadRaster(
            left, top, width, height, buf_xsize=shape[1], buf_ysize=shape[0], buf_type=kind
        )
    except GDAL_ERRORS as error:
        raise raster_failure(path, str(error), 'a whole raster') from error
    kind = np.float32 if kind == gdal.GDT_Float32 else np.float64
    return np.frombuffer(data, kind).reshape(shape)

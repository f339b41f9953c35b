"""Rasters as layers over one grid: the first date gives the grid, everything else is laid onto it.

A layer is plain data (a file, or the text of a virtual raster that warps it), so that it goes to
DataLoader workers as it is; the files behind it are opened by each thread of each process.
"""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swimdiff.datasets.change import Window
from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    carry,
    gdal_modules,
    raster_failure,
    same_system,
    to_lonlat,
)
from swimdiff.datasets.rasters.reading import opened
from swimdiff.errors import LayoutError, RasterError

__all__ = [
    'Grid',
    'Layer',
    'describe_ground',
    'explain_failure',
    'lay_onto',
    'outline',
    'overlap',
    'read_grid',
]


@dataclass(frozen=True)
class Grid:
    """Describe pixels on the ground, north up.

    Args:
        width: Pixels of a row.
        height: Rows.
        transform: The six numbers of GDAL; no rotation.
        system: Coordinate system, WKT.
    """

    width: int
    height: int
    transform: tuple[float, float, float, float, float, float]
    system: str

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Return west, south, east and north in the grid's own coordinates."""
        west, dx, _, north, _, dy = self.transform
        return west, north + self.height * dy, west + self.width * dx, north

    def shift(self, row: int, column: int, height: int, width: int) -> 'Grid':
        """Return the grid of a window, which may reach over the edge.

        Args:
            row: First row of the window.
            column: First column.
            height: Rows of the window.
            width: Columns of the window.
        """
        west, dx, _, north, _, dy = self.transform
        moved_transform = (west + column * dx, dx, 0.0, north + row * dy, 0.0, dy)
        return Grid(width, height, moved_transform, self.system)

    def same_pixels(self, other: 'Grid') -> bool:
        """Return whether both grids have the same pixels, to a thousandth of one."""
        if (self.width, self.height) != (other.width, other.height):
            return False
        limit = 1e-3 * min(abs(self.transform[1]), abs(self.transform[5]))
        near = np.allclose(self.extent, other.extent, rtol=0, atol=limit)
        return near and same_system(self.system, other.system)


@dataclass(frozen=True)
class Layer:
    """Hold the bands of one raster on a grid.

    Args:
        path: The file, for messages.
        source: What GDAL opens: the file, or the text of a virtual raster.
        channels: Numbers of the bands in the source, from 1.
        grid: Its pixels.
        nodata: Declared value of pixels without data, for each band.
        dtype: Type of the pixels in the file, as GDAL names it.
        alpha: Number of a band that is 0 where there is no data.
        masked: Whether the source has a mask or an alpha band of its own.
        offset: What is taken off the pixels, so that 0 is a reflectance of 0.
    """

    path: str
    source: str
    channels: tuple[int, ...]
    grid: Grid
    nodata: tuple[float | None, ...]
    dtype: str
    alpha: int | None = None
    masked: bool = False
    offset: int = 0

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Read a window that lies inside the grid.

        Args:
            window: First row, first column, height and width in pixels.

        Returns:
            C x H x W float32, 0 without data; and H x W bool, where all bands have data.

        Raises:
            LayoutError: The file is missing.
            RasterError: The file is damaged.
        """
        row, column, height, width = window
        gdal, _ = gdal_modules()
        bands = [*self.channels, *([self.alpha] if self.alpha else [])]
        complaints: list[str] = []
        gdal.PushErrorHandler(
            lambda level, _, text: complaints.append(text) if level >= gdal.CE_Warning else None
        )
        try:
            dataset = _opened(self)
            data = dataset.ReadRaster(
                column, row, width, height, buf_type=gdal.GDT_Float32, band_list=bands
            )
            mask = self._read_mask(dataset, window) if self.masked else None
        except GDAL_ERRORS as error:
            raise explain_failure(self.path, [*complaints, str(error)][0]) from error
        finally:
            gdal.PopErrorHandler()
        if complaints:
            raise explain_failure(self.path, complaints[0])
        planes = np.frombuffer(data, np.float32).reshape(len(bands), height, width).copy()
        valid = np.ones((height, width), bool) if mask is None else mask
        if self.alpha:
            valid, planes = valid & (planes[-1] > 0), planes[:-1]
        valid &= np.isfinite(planes).all(axis=0)
        for plane, value in zip(planes, self.nodata, strict=True):
            if value is not None:
                valid &= plane != np.float32(value)
        if self.offset:
            # No lower than 1: zeros in all bands say that there is no data.
            planes = np.where(planes > 0, np.maximum(planes - self.offset, 1), 0)
        planes[:, ~valid] = 0
        return planes, valid

    def _read_mask(self, dataset: Any, window: Window) -> np.ndarray:
        row, column, height, width = window
        mask = dataset.GetRasterBand(self.channels[0]).GetMaskBand()
        data = mask.ReadRaster(column, row, width, height, buf_type=gdal_modules()[0].GDT_Byte)
        return np.frombuffer(data, np.uint8).reshape(height, width) != 0


def _opened(layer: Layer) -> Any:
    try:
        return opened(layer.source)
    except (LayoutError, RasterError) as error:
        if layer.source == layer.path and not layer.path.startswith('/vsi'):
            raise
        # The text of a virtual raster says nothing to a reader.
        raise explain_failure(layer.path, str(error.__cause__ or error)) from error


def explain_failure(path: str, detail: str) -> RasterError | LayoutError:
    """Return the error for a file of a list that cannot be read.

    Args:
        path: The file, or a name that GDAL resolves.
        detail: What GDAL said.
    """
    if path.startswith('/vsi'):
        return RasterError(
            f'{path} cannot be read: {detail}. Expected a raster or vector file that GDAL opens '
            'under this name; try it with gdalinfo or ogrinfo.'
        )
    if not os.path.exists(path):
        return LayoutError(
            f'{path} is missing. Expected the file that the list names; paths in a list are '
            'relative to the list.'
        )
    return raster_failure(path, detail, 'a readable file')


def read_grid(path: str, dataset: Any) -> Grid:
    """Return the grid of an opened raster.

    Args:
        path: Its file, for messages.
        dataset: The GDAL data set.

    Raises:
        RasterError: It has no coordinate system, no transform, or is rotated.
    """
    transform, system = dataset.GetGeoTransform(can_return_null=True), dataset.GetSpatialRef()
    if transform is None or system is None:
        raise RasterError(
            f'{path} has no georeference. Expected a coordinate system and an affine transform, '
            'to lay labels and dates onto each other. Write both into a copy: gdal_translate '
            '-a_srs EPSG:... -a_ullr WEST NORTH EAST SOUTH IN OUT. None is assumed.'
        )
    if transform[2] or transform[4] or transform[1] <= 0 or transform[5] >= 0:
        raise RasterError(
            f'{path} is rotated or not north up (transform {tuple(transform)}). Expected rows from '
            'north to south: gdalwarp IN OUT writes it so.'
        )
    return Grid(dataset.RasterXSize, dataset.RasterYSize, tuple(transform), system.ExportToWkt())


def outline(grid: Grid, points: int = 16) -> np.ndarray:
    """Return points along the edge of a grid, N x 2, in its own coordinates.

    Args:
        grid: The grid.
        points: Points on each side.
    """
    west, south, east, north = grid.extent
    steps = np.linspace(0, 1, points + 1)
    xs, ys = west + steps * (east - west), south + steps * (north - south)
    sides = [(xs, np.full_like(xs, y)) for y in (south, north)]
    sides += [(np.full_like(ys, x), ys) for x in (west, east)]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def describe_ground(grid: Grid) -> str:
    """Return where a grid lies, in degrees, for messages."""
    points = to_lonlat(outline(grid), grid.system)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return 'no place on Earth'
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    return f'longitude {west:.5g} to {east:.5g}, latitude {south:.5g} to {north:.5g}'


def overlap(one: Grid, other: Grid) -> bool:
    """Return whether some ground of a grid lies within another one.

    Args:
        one: A grid.
        other: Another one, in any system.
    """
    points = carry(outline(other), other.system, one.system)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return False
    west, south, east, north = one.extent
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    return bool(left < east and right > west and bottom < north and top > south)


def lay_onto(layer: Layer, grid: Grid, resample: str, base: str) -> Layer:
    """Lay a raster onto the grid of another one by a virtual raster that warps it.

    Args:
        layer: The raster.
        grid: Pixels wanted.
        resample: Resampling as GDAL names it: ``bilinear`` for images, ``near`` for labels.
        base: File that the grid is of, for messages.

    Returns:
        The layer itself where its pixels are those of the grid; else one that is without data
        wherever the raster does not reach.

    Raises:
        RasterError: The two share no ground.
    """
    if layer.grid.same_pixels(grid):
        return layer
    if not overlap(grid, layer.grid):
        raise RasterError(
            f'{layer.path} and {base} do not overlap: the first covers '
            f'{describe_ground(layer.grid)}, the second {describe_ground(grid)}. Expected rasters '
            'of the same ground in one row of the list.'
        )
    gdal, _ = gdal_modules()
    try:
        bands_dataset = gdal.Translate('', _opened(layer), **_choose_bands(layer))
        for number in range(1, len(layer.channels) + 1):
            # The fourth band of four is often marked as transparency: here it is a band like any.
            bands_dataset.GetRasterBand(number).SetColorInterpretation(gdal.GCI_GrayIndex)
        warped_dataset = gdal.Warp(
            '',
            # Opened by its text: a raster without a name cannot be the source of another.
            gdal.OpenEx(bands_dataset.GetMetadata('xml:VRT')[0]),
            format='VRT',
            dstSRS=grid.system,
            outputBounds=grid.extent,
            width=grid.width,
            height=grid.height,
            resampleAlg=resample,
            dstAlpha=True,
            warpOptions=['UNIFIED_SRC_NODATA=PARTIAL'],
        )
        text = warped_dataset.GetMetadata('xml:VRT')[0]
    except GDAL_ERRORS as error:
        raise explain_failure(layer.path, str(error)) from error
    count = len(layer.channels)
    return replace(
        layer,
        source=text,
        channels=tuple(range(1, count + 1)),
        grid=grid,
        nodata=(None,) * count,
        alpha=count + 1,
        masked=False,
    )


def _choose_bands(layer: Layer) -> dict[str, Any]:
    """Options for a virtual raster of the bands of a layer and the alpha band of its file."""
    gdal, _ = gdal_modules()
    dataset = _opened(layer)
    alpha = [
        number
        for number in range(1, dataset.RasterCount + 1)
        if dataset.GetRasterBand(number).GetColorInterpretation() == gdal.GCI_AlphaBand
        and number not in layer.channels
    ]
    return dict(format='VRT', bandList=[*layer.channels, *alpha])

"""Where rasters lie on the globe, reading them onto a grid there, and writing GeoTIFFs."""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.datasets.geo.access import gdal_modules, open_raster, raster_failure
from swimdiff.errors import RasterError

__all__ = ['LonLatGrid', 'centre_lonlat', 'lonlat_grid', 'read_on_grid', 'write_geotiff']

#: lon of the west edge, lat of the north edge, width and height of a pixel, all in degrees.
LonLatGrid = tuple[float, float, float, float]


def _georeference(path: str) -> tuple[Any, tuple[float, ...], Any]:
    """Data set, affine transform and reference system of a raster, checked to be there."""
    try:
        dataset = open_raster(path)
    except RuntimeError as error:
        raise raster_failure(path, str(error), 'a georeferenced raster') from error
    transform, system = dataset.GetGeoTransform(can_return_null=True), dataset.GetSpatialRef()
    if transform is None or system is None:
        raise RasterError(
            f'{path} has no georeference. Expected a coordinate system and an affine transform. '
            'Write both into the file (gdal_edit.py -a_srs ... -a_ullr ...), or choose a scene '
            'definition that needs none (LocationScene).'
        )
    return dataset, transform, system


def _to_lonlat(system: Any) -> Any:
    """Transformation from a reference system to WGS 84, longitude before latitude."""
    _, osr = gdal_modules()
    source, target = system.Clone(), osr.SpatialReference()
    target.ImportFromEPSG(4326)
    for reference in (source, target):
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return osr.CoordinateTransformation(source, target)


def _apply(transform: tuple[float, ...], column: float, row: float) -> tuple[float, float]:
    x0, dx, rx, y0, ry, dy = transform
    return x0 + column * dx + row * rx, y0 + column * ry + row * dy


def centre_lonlat(path: str | Path) -> tuple[float, float]:
    """Longitude and latitude (WGS 84, degrees) of the centre of a raster.

    Raises:
        LayoutError: The file is missing.
        RasterError: The file cannot be opened or has no georeference.
    """
    dataset, transform, system = _georeference(os.fspath(path))
    point = _apply(transform, dataset.RasterXSize / 2, dataset.RasterYSize / 2)
    if system.IsGeographic():
        return point
    lon, lat, _ = _to_lonlat(system).TransformPoint(*point)
    return lon, lat


def lonlat_grid(path: str | Path, column: float, row: float, pixels: int) -> LonLatGrid:
    """A north-up longitude/latitude grid over a window of a raster.

    A raster in longitude and latitude keeps its own pixels. Over any other the grid is laid around
    the centre of the window with pixels as large on the ground as those of the raster.

    Args:
        path: The raster that the window counts pixels of.
        column: First column of the window.
        row: First row of the window.
        pixels: Side of the square window.

    Returns:
        West edge, north edge, pixel width and pixel height in degrees.
    """
    _, transform, system = _georeference(os.fspath(path))
    north_up = transform[2] == transform[4] == 0 and transform[5] < 0 < transform[1]
    if system.IsGeographic() and north_up:
        west, north = _apply(transform, column, row)
        return west, north, transform[1], -transform[5]
    to_lonlat, middle = _to_lonlat(system), (column + pixels / 2, row + pixels / 2)
    lon, lat, _ = to_lonlat.TransformPoint(*_apply(transform, *middle))
    # The area of a pixel on the ground: units of a projection need be neither metres nor true.
    steps = []
    for column_step, row_step in ((1, 0), (0, 1)):
        point = _apply(transform, middle[0] + column_step, middle[1] + row_step)
        steps.append(np.subtract(to_lonlat.TransformPoint(*point)[:2], (lon, lat)))
    (a, b), (c, d) = steps
    # Radii of curvature of the WGS 84 ellipsoid at this latitude.
    axis, e2 = 6_378_137.0, 6.694_379_990_14e-3
    w = 1 - e2 * np.sin(np.radians(lat)) ** 2
    metres_north = float(np.radians(axis * (1 - e2) / w**1.5))
    metres_east = float(np.radians(axis * np.cos(np.radians(lat)) / w**0.5))
    metres = float(np.sqrt(abs(a * d - b * c) * metres_north * metres_east))
    width, height = metres / metres_east, metres / metres_north
    return lon - pixels / 2 * width, lat + pixels / 2 * height, width, height


def read_on_grid(
    path: str | Path, grid: LonLatGrid, pixels: int, factor: int = 1, channel: int = 0
) -> np.ndarray | None:
    """Warp one channel of a raster onto a longitude/latitude grid, bilinearly.

    Args:
        path: Any georeferenced raster.
        grid: West edge, north edge, pixel width and height in degrees.
        pixels: Side of the grid in its own pixels.
        factor: Pixels of the grid that make one pixel of the result (2 for 20 m bands).
        channel: Number of the channel in the file, from 0.

    Returns:
        Square float64 array with ``pixels / factor`` pixels a side, or None where the raster does
        not cover the whole grid with values.
    """
    gdal, _ = gdal_modules()
    name = os.fspath(path)
    dataset, _, _ = _georeference(name)
    west, north, width, height = grid
    side = pixels // factor
    try:
        # The fourth channel of four is often marked as transparency: here it is a band like any.
        source = gdal.Translate('', dataset, format='VRT', bandList=[channel + 1])
        source.GetRasterBand(1).SetColorInterpretation(gdal.GCI_GrayIndex)
        warped = gdal.Warp(
            '',
            source,
            format='MEM',
            dstSRS='EPSG:4326',
            outputBounds=(west, north - pixels * height, west + pixels * width, north),
            width=side,
            height=side,
            resampleAlg='bilinear',
            dstAlpha=True,
        )
        values = np.frombuffer(warped.ReadRaster(buf_type=gdal.GDT_Float64))
    except RuntimeError as error:
        raise raster_failure(name, str(error), 'a readable raster') from error
    plane, covered = values.reshape(2, side, side)
    return plane.copy() if covered.all() and np.isfinite(plane).all() else None


def write_geotiff(
    path: str | Path,
    array: np.ndarray,
    transform: Sequence[float] | None = None,
    crs: str = 'EPSG:4326',
    options: Sequence[str] = (),
) -> None:
    """Write a GeoTIFF atomically: a reader sees the whole file or none.

    Args:
        path: The file.
        array: H x W or C x H x W.
        transform: GDAL's six numbers; None writes no georeference.
        crs: Any coordinate system GDAL understands, e.g. ``EPSG:32636`` or WKT.
        options: Creation options, e.g. ``('COMPRESS=JPEG',)``.
    """
    gdal, osr = gdal_modules()
    planes = np.ascontiguousarray(array if array.ndim == 3 else array[None])
    name = 'Byte' if planes.dtype == np.uint8 else planes.dtype.name
    target = Path(path)
    partial = target.with_name(f'.{target.name}.{uuid.uuid4().hex}')
    count, height, width = planes.shape
    kind = gdal.GetDataTypeByName(name)
    try:
        dataset = gdal.GetDriverByName('GTiff').Create(
            str(partial), width, height, count, kind, list(options)
        )
        if transform is not None:
            system = osr.SpatialReference()
            system.SetFromUserInput(crs)
            dataset.SetSpatialRef(system)
            dataset.SetGeoTransform(list(transform))
        dataset.WriteRaster(0, 0, width, height, planes.tobytes(), buf_type=kind)
        dataset.FlushCache()
        del dataset
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)

"""Reading and writing rasters: the only module of the package that imports ``osgeo``.

GDAL is asked directly: the driver is named, the folder is not listed, no side-car files are looked
for, and pixels go straight into a NumPy buffer (``gdal_array`` is not needed). Nothing is held open
between calls, so DataLoader workers may be forked at any time.
"""

import functools
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from swimdiff.errors import LayoutError, RasterError, SwiMDiffError

__all__ = [
    'GdalMissingError',
    'centre_lonlat',
    'lonlat_grid',
    'raster_size',
    'read_bands',
    'read_channels',
    'read_on_grid',
    'require_gdal',
    'write_geotiff',
]

#: lon of the west edge, lat of the north edge, width and height of a pixel, all in degrees.
LonLatGrid = tuple[float, float, float, float]

_DRIVERS = {'.tif': 'GTiff', '.tiff': 'GTiff', '.jp2': 'JP2OpenJPEG'}


class GdalMissingError(SwiMDiffError, ImportError):
    """The Python bindings of GDAL are not installed or do not load."""


@functools.cache
def _modules() -> tuple[ModuleType, ModuleType]:
    """``gdal`` and ``osr``, set up once per process."""
    try:
        from osgeo import gdal, osr
    except ImportError as error:
        raise GdalMissingError(
            f'Rasters are read through GDAL, and its Python bindings do not load ({error}).\n'
            '  apt:   sudo apt-get install -y gdal-bin libgdal-dev && '
            'pip install --no-build-isolation "gdal==$(gdal-config --version)"\n'
            '  conda: conda install -c conda-forge gdal\n'
            '  brew:  brew install gdal && '
            'pip install --no-build-isolation "gdal==$(gdal-config --version)"\n'
            'Then check the whole stack with: python -m swimdiff.doctor'
        ) from error
    gdal.UseExceptions()
    osr.UseExceptions()
    gdal.SetConfigOption('GDAL_DISABLE_READDIR_ON_OPEN', 'EMPTY_DIR')
    gdal.SetConfigOption('GDAL_PAM_ENABLED', 'NO')
    return gdal, osr


def require_gdal() -> None:
    """Check that rasters can be read at all.

    Raises:
        GdalMissingError: The bindings of GDAL do not load.
    """
    _modules()


def _reason(path: str, detail: str, expected: str) -> RasterError | LayoutError:
    """The most telling error for a file that could not be read."""
    if not os.path.exists(path):
        return LayoutError(
            f'{path} is missing. Expected {expected}. Unpack the archive again, or leave out '
            'the band or the sample it belongs to.'
        )
    size = os.path.getsize(path)
    found = 'an empty file (0 bytes)' if size == 0 else f'{size} bytes that fail with: {detail}'
    return RasterError(
        f'{path} cannot be read. Expected {expected}; found {found}. The file is damaged or only '
        'partly written: unpack or download it again.'
    )


def _open(path: str) -> Any:
    gdal, _ = _modules()
    driver = _DRIVERS.get(os.path.splitext(path)[1].lower())
    return gdal.OpenEx(
        path, gdal.OF_READONLY | gdal.OF_RASTER, allowed_drivers=[driver] if driver else []
    )


def _read_planes(
    path: str,
    dtype: np.dtype,
    shape: tuple[int, int] | None,
    channels: Sequence[int] = (0,),
    count: int | None = None,
) -> np.ndarray:
    """Channels of one file at its own size, C x H x W."""
    gdal, _ = _modules()
    size = f'{shape[1]} x {shape[0]} pixels of ' if shape else ''
    expected = f'a raster of {size}{dtype.name}' + (f' with {count} channels' if count else '')
    # libjpeg only *warns* when the data of a strip ends early, and fills the rest with grey; a
    # directory that is half zeros only makes libtiff warn. So every warning counts as damage.
    complaints: list[str] = []
    gdal.PushErrorHandler(
        lambda level, _, text: complaints.append(text) if level >= gdal.CE_Warning else None
    )
    try:
        dataset = _open(path)
        band = dataset.GetRasterBand(1)
        height, width = dataset.RasterYSize, dataset.RasterXSize
        found_type = gdal.GetDataTypeName(band.DataType)
        if found_type.lower() != dtype.name.replace('uint8', 'byte'):
            raise RasterError(
                f'{path} holds pixels of type {found_type}. Expected {expected}. '
                'Use the files as released, without conversion.'
            )
        if shape and (height, width) != shape:
            raise RasterError(
                f'{path} is {width} x {height} pixels. Expected {expected}. '
                'Use the files as released, or set the patch size in the config.'
            )
        if dataset.RasterCount <= max(channels) or (count and dataset.RasterCount != count):
            raise RasterError(
                f'{path} has {dataset.RasterCount} channels. Expected {expected}. '
                'Use the files as released.'
            )
        planes = np.empty((len(channels), height, width), dtype)
        dataset.ReadRaster(
            buf_obj=planes.data.cast('B'),
            buf_type=band.DataType,
            band_list=[channel + 1 for channel in channels],
        )
    except RuntimeError as error:
        raise _reason(path, [*complaints, str(error)][0], expected) from error
    finally:
        gdal.PopErrorHandler()
    if complaints:
        raise _reason(path, complaints[0], expected)
    return planes


def _read_plane(path: str, dtype: np.dtype, shape: tuple[int, int] | None) -> np.ndarray:
    """First channel of one file at its own size, H x W."""
    return _read_planes(path, dtype, shape)[0]


def read_channels(
    path: str | Path,
    channels: Sequence[int],
    count: int | None = None,
    shape: tuple[int, int] | None = None,
    dtype: str = 'uint8',
) -> np.ndarray:
    """Read channels of one file that holds several.

    Args:
        path: The file.
        channels: Numbers of the channels wanted, from 0, in any order.
        count: Channels the file must have; not checked by default.
        shape: Height and width the file must have; not checked by default.
        dtype: Type the file must have.

    Returns:
        C x H x W array of ``dtype``.

    Raises:
        LayoutError: The file is missing.
        RasterError: The file is damaged, or its size, type or number of channels is another.
    """
    return _read_planes(os.fspath(path), np.dtype(dtype), shape, channels, count)


def read_bands(
    paths: Sequence[str | Path],
    size: int | tuple[int, int] | None = None,
    shapes: Sequence[tuple[int, int]] | None = None,
    dtype: str = 'uint8',
    tables: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Read one file a band onto one grid.

    Args:
        paths: One single-band file each, all covering the same ground.
        size: Height and width of the result in pixels; by default the largest of the files.
            Other sizes are resampled bilinearly.
        shapes: Height and width each file must have; not checked by default.
        dtype: Type the files must have.
        tables: For uint8, 256 values a band that replace the pixels. They are looked up before
            resampling: fewer pixels, and no steps where a table stretches a narrow range.

    Returns:
        H x W x C array of ``dtype``.

    Raises:
        LayoutError: A file is missing.
        RasterError: A file is damaged, or its size or type is another.
    """
    kind = np.dtype(dtype)
    names = [os.fspath(path) for path in paths]
    expected = shapes if shapes is not None else [None] * len(names)
    planes = [_read_plane(name, kind, shape) for name, shape in zip(names, expected, strict=True)]
    if tables is not None:
        planes = [cv2.LUT(plane, table) for plane, table in zip(planes, tables, strict=True)]
    if size is None:
        target = max(plane.shape for plane in planes)
    else:
        target = (size, size) if isinstance(size, int) else size
    for i, plane in enumerate(planes):
        if plane.shape != target:
            # OpenCV puts pixel centres where GDAL's bilinear RasterIO does, many times faster.
            planes[i] = cv2.resize(plane, target[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.merge(planes) if len(planes) > 1 else planes[0][..., None]


def raster_size(path: str | Path) -> tuple[int, int]:
    """Height and width of a raster in pixels.

    Raises:
        LayoutError: The file is missing.
        RasterError: The file cannot be opened.
    """
    try:
        dataset = _open(os.fspath(path))
    except RuntimeError as error:
        raise _reason(os.fspath(path), str(error), 'a raster') from error
    return dataset.RasterYSize, dataset.RasterXSize


def _georeference(path: str) -> tuple[Any, tuple[float, ...], Any]:
    """Data set, affine transform and reference system of a raster, checked to be there."""
    try:
        dataset = _open(path)
    except RuntimeError as error:
        raise _reason(path, str(error), 'a georeferenced raster') from error
    transform, system = dataset.GetGeoTransform(can_return_null=True), dataset.GetSpatialRef()
    if transform is None or system is None:
        raise RasterError(
            f'{path} has no georeference. Expected a coordinate system and an affine transform. '
            'Choose a scene definition that needs none (LocationScene), or mend the file.'
        )
    return dataset, transform, system


def _to_lonlat(system: Any) -> Any:
    """Transformation from a reference system to WGS 84, longitude before latitude."""
    _, osr = _modules()
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

    A raster in longitude and latitude keeps its own pixels. Over a projected one the grid is laid
    around the centre of the window with pixels as large on the ground as those of the raster.

    Args:
        path: The raster that the window counts pixels of.
        column: First column of the window.
        row: First row of the window.
        pixels: Side of the square window.

    Returns:
        West edge, north edge, pixel width and pixel height in degrees.
    """
    _, transform, system = _georeference(os.fspath(path))
    if system.IsGeographic():
        west, north = _apply(transform, column, row)
        return west, north, transform[1], -transform[5]
    to_lonlat = _to_lonlat(system)
    half = pixels / 2
    lon, lat, _ = to_lonlat.TransformPoint(*_apply(transform, column + half, row + half))
    metres = abs(transform[1])
    # Radii of curvature of the WGS 84 ellipsoid at this latitude.
    axis, e2 = 6_378_137.0, 6.694_379_990_14e-3
    w = 1 - e2 * np.sin(np.radians(lat)) ** 2
    height = float(np.degrees(metres * w**1.5 / (axis * (1 - e2))))
    width = float(np.degrees(metres * w**0.5 / (axis * np.cos(np.radians(lat)))))
    return lon - half * width, lat + half * height, width, height


def read_on_grid(path: str | Path, grid: LonLatGrid, pixels: int, factor: int = 1) -> Any:
    """Warp the first band of a raster onto a longitude/latitude grid, bilinearly.

    Args:
        path: Any georeferenced raster.
        grid: West edge, north edge, pixel width and height in degrees.
        pixels: Side of the grid in its own pixels.
        factor: Pixels of the grid that make one pixel of the result (2 for 20 m bands).

    Returns:
        Square array with ``pixels / factor`` pixels a side, or None where the raster does not
        cover the whole grid.
    """
    gdal, _ = _modules()
    name = os.fspath(path)
    dataset, _, _ = _georeference(name)
    west, north, width, height = grid
    side = pixels // factor
    try:
        warped = gdal.Warp(
            '',
            dataset,
            format='MEM',
            dstSRS='EPSG:4326',
            outputBounds=(west, north - pixels * height, west + pixels * width, north),
            width=side,
            height=side,
            resampleAlg='bilinear',
            dstAlpha=True,
        )
        kind = np.dtype(gdal.GetDataTypeName(warped.GetRasterBand(1).DataType).lower())
        planes = np.frombuffer(warped.ReadRaster(), kind).reshape(2, side, side)
    except RuntimeError as error:
        raise _reason(name, str(error), 'a readable raster') from error
    return planes[0].copy() if planes[1].all() else None


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
    gdal, osr = _modules()
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

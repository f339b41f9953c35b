"""Reading the pixels of bands through GDAL, straight into NumPy buffers.

``gdal_array`` is not needed.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.datasets.geo.access import gdal_modules, open_raster, raster_failure
from swimdiff.datasets.index import stack_planes
from swimdiff.errors import RasterError

__all__ = ['raster_size', 'read_band', 'read_bands', 'read_channels', 'read_planes']

#: What to do about a file of another size.
_ADVICE = 'Use the files as released.'


def read_band(
    band: Any,
    window: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Read pixels of an open band in the type they are stored in.

    Args:
        band: Band of GDAL, of a real type.
        window: First column, first row, columns and rows; the whole band by default.
        size: Columns and rows of the result, pixels picked, none mixed; those of the window by
            default.

    Returns:
        Rows x columns array.

    Raises:
        RuntimeError: GDAL cannot read them.
    """
    gdal, _ = gdal_modules()
    window = window or (0, 0, band.XSize, band.YSize)
    width, height = size or window[2:]
    kind = gdal.GetDataTypeName(band.DataType).lower().replace('byte', 'uint8')
    pixels = np.empty((height, width), kind)
    band.ReadRaster(*window, width, height, band.DataType, buf_obj=pixels.data.cast('B'))
    return pixels


def _read_planes(
    path: str,
    dtype: np.dtype,
    shape: tuple[int, int] | None,
    channels: Sequence[int] = (0,),
    count: int | None = None,
    advice: str = _ADVICE,
) -> np.ndarray:
    """Channels of one file at its own size, C x H x W."""
    gdal, _ = gdal_modules()
    size = f'{shape[1]} x {shape[0]} pixels of ' if shape else ''
    expectation = f'a raster of {size}{dtype.name}' + (f' with {count} channels' if count else '')
    # libjpeg only *warns* when the data of a strip ends early, and fills the rest with grey; a
    # directory that is half zeros only makes libtiff warn. So every warning counts as damage.
    complaints: list[str] = []
    gdal.PushErrorHandler(
        lambda level, _, text: complaints.append(text) if level >= gdal.CE_Warning else None
    )
    try:
        dataset = open_raster(path)
        band = dataset.GetRasterBand(1)
        height, width = dataset.RasterYSize, dataset.RasterXSize
        found_type = gdal.GetDataTypeName(band.DataType)
        if found_type.lower() != dtype.name.replace('uint8', 'byte'):
            raise RasterError(
                f'{path} holds pixels of type {found_type}. Expected {expectation}. '
                'Use the files as released, without conversion.'
            )
        if shape and (height, width) != shape:
            raise RasterError(
                f'{path} is {width} x {height} pixels. Expected {expectation}. ' + advice
            )
        if dataset.RasterCount <= max(channels) or (count and dataset.RasterCount != count):
            raise RasterError(
                f'{path} has {dataset.RasterCount} channels. Expected {expectation}. '
                'Use the files as released.'
            )
        planes = np.empty((len(channels), height, width), dtype)
        dataset.ReadRaster(
            buf_obj=planes.data.cast('B'),
            buf_type=band.DataType,
            band_list=[channel + 1 for channel in channels],
        )
    except RuntimeError as error:
        raise raster_failure(path, [*complaints, str(error)][0], expectation) from error
    finally:
        gdal.PopErrorHandler()
    if complaints:
        raise raster_failure(path, complaints[0], expectation)
    return planes


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


def read_planes(
    paths: Sequence[str | Path],
    shapes: Sequence[tuple[int, int]] | None = None,
    dtype: str = 'uint8',
    advice: str = _ADVICE,
) -> list[np.ndarray]:
    """Read one file per band, each at its own size.

    Args:
        paths: One single-band file each.
        shapes: Height and width each file must have; not checked by default.
        dtype: Type the files must have.
        advice: What to do about a file of another size, for the message.

    Returns:
        One H x W array of ``dtype`` a file.

    Raises:
        LayoutError: A file is missing.
        RasterError: A file is damaged, or its size or type is another.
    """
    kind = np.dtype(dtype)
    expected_shapes = shapes if shapes is not None else [None] * len(paths)
    return [
        _read_planes(os.fspath(path), kind, shape, advice=advice)[0]
        for path, shape in zip(paths, expected_shapes, strict=True)
    ]


def read_bands(
    paths: Sequence[str | Path],
    size: int | tuple[int, int] | None = None,
    shapes: Sequence[tuple[int, int]] | None = None,
    dtype: str = 'uint8',
    tables: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Read one file per band onto one grid.

    :func:`read_planes`, then :func:`stack_planes`.

    Args:
        paths: One file per band.
        size: As for :func:`stack_planes`.
        shapes: As for :func:`read_planes`.
        dtype: As for :func:`read_planes`.
        tables: As for :func:`stack_planes`.

    Returns:
        H x W x C array of ``dtype``.
    """
    return stack_planes(read_planes(paths, shapes, dtype), size, tables)


def raster_size(path: str | Path) -> tuple[int, int]:
    """Return height and width of a raster in pixels.

    Raises:
        LayoutError: The file is missing.
        RasterError: The file cannot be opened.
    """
    try:
        dataset = open_raster(os.fspath(path))
    except RuntimeError as error:
        raise raster_failure(os.fspath(path), str(error), 'a raster') from error
    return dataset.RasterYSize, dataset.RasterXSize

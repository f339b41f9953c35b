"""Reading blocks of the files of a scene, straight into NumPy buffers.

Files stay open between calls, some at a time, in each thread of each process for itself: a process
that was forked opens its own. A file that changed since it was opened is opened again.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    carry,
    gdal_modules,
    is_geographic,
    join_longitudes,
    open_raster,
    raster_failure,
    same_system,
)
from swimdiff.datasets.rasters.opening import BandFile, SceneRasters
from swimdiff.errors import RasterError

__all__ = ['close_files', 'into_scene', 'nodata_as', 'opened', 'read_block', 'read_mask']

#: Files that a thread keeps open.
_MOST = 256

_thread = threading.local()
#: Files that the parent had open are never touched in a child, not even to close them.
_inherited: list[Any] = []


def _forget() -> None:
    _inherited.append(_thread.__dict__.pop('files', None))


def close_files() -> None:
    """Close what this thread has open.

    Many threads together would reach the system's limit.
    """
    _thread.__dict__.pop('files', None)


os.register_at_fork(after_in_child=_forget)


def _stamp(paths: Sequence[str]) -> list[tuple[int, int, int] | None]:
    """Return what changes when a file is written or another takes its place; None for no file."""
    stamps: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            about = os.stat(path)
            stamps.append((about.st_ino, about.st_mtime_ns, about.st_size))
        except OSError:
            stamps.append(None)
    return stamps


def opened(path: str) -> Any:
    """Return the GDAL data set of a file, kept open by this thread for a while.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be opened.
    """
    files = _thread.__dict__.setdefault('files', OrderedDict())
    if path in files:
        dataset, sources, stamp = files[path]
        if _stamp(sources) == stamp:
            files.move_to_end(path)
            return dataset
        del dataset, files[path]  # replaced or written over since
    stamp = _stamp([path])
    try:
        dataset = open_raster(path)
        sources = [path]
        if path.lower().endswith('.vrt'):
            sources += dataset.GetFileList() or []
            stamp = _stamp(sources)
    except GDAL_ERRORS as error:
        raise raster_failure(path, str(error), 'a raster') from error
    files[path] = dataset, sources, stamp
    while len(files) > _MOST:
        files.popitem(last=False)
    return dataset


def into_scene(points: np.ndarray, system: str, scene: SceneRasters) -> np.ndarray:
    """Convert points of some system to that of a scene.

    Longitudes are on its side of the date line.

    Args:
        points: N x ... x 2. Each of the N figures stays in one piece: one over the seam of a
            raster of the whole world reaches beyond its edge, where there are no pixels.
        system: System of the points.
        scene: The scene.
    """
    is_carried = not same_system(system, scene.system)
    if is_carried:
        points = carry(points, system, scene.system)
    if not is_geographic(scene.system):
        return points
    west, _, east, _ = scene.extent
    return join_longitudes(points, (west + east) / 2, is_carried)


def _refuse_another(path: str, dataset: Any, band: BandFile) -> None:
    """Refuse a file that has another grid than when it was indexed: its pixels lie elsewhere."""
    size, grid = (dataset.RasterXSize, dataset.RasterYSize), dataset.GetGeoTransform()
    if (*size, *grid) == (band.width, band.height, band.west, band.dx, 0, band.north, 0, -band.dy):
        return
    raise RasterError(
        f'{path} was replaced since it was indexed. Expected {band.width} x {band.height} pixels '
        f'with the north-west corner ({band.west:g}, {band.north:g}); found {size[0]} x {size[1]} '
        f'at ({grid[0]:g}, {grid[3]:g}). Start again: the index is made again.'
    )


def read_block(
    path: str,
    bands: Sequence[BandFile],
    window: tuple[int, int, int, int],
    shape: tuple[int, int],
    dtype: str,
    fill: bool = True,
) -> np.ndarray:
    """Read part of a file, one of every so many pixels where that is asked for.

    Args:
        path: The file.
        bands: Its bands that are wanted.
        window: First column, first row, columns and rows.
        shape: Height and width of the result.
        dtype: Type of the result.
        fill: Whether no-data, NaN and infinity become 0.

    Returns:
        C x H x W array.

    Raises:
        LayoutError: The file is missing.
        RasterError: The file is damaged.
    """
    gdal, _ = gdal_modules()
    kind = gdal.GetDataTypeByName('Byte' if dtype == 'uint8' else dtype)
    planes = np.empty((len(bands), *shape), dtype)
    complaints: list[str] = []
    dataset = opened(path)
    _refuse_another(path, dataset, bands[0])
    # libjpeg only *warns* when the data of a block ends early, and fills the rest with grey.
    gdal.PushErrorHandler(
        lambda level, _, text: complaints.append(text) if level >= gdal.CE_Warning else None
    )
    try:
        dataset.ReadRaster(
            *window,
            buf_xsize=shape[1],
            buf_ysize=shape[0],
            buf_type=kind,
            band_list=[band.channel for band in bands],
            buf_obj=planes.data.cast('B'),
        )
    except GDAL_ERRORS as error:
        raise raster_failure(path, [*complaints, str(error)][0], 'a whole raster') from error
    finally:
        gdal.PopErrorHandler()
    if complaints:
        raise raster_failure(path, complaints[0], 'a whole raster')
    for band, plane in zip(bands, planes, strict=True):
        if fill and band.nodata:
            plane[plane == nodata_as(band.nodata, planes.dtype)] = 0
    if fill and planes.dtype.kind == 'f':
        np.nan_to_num(planes, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return planes


def nodata_as(value: float, dtype: np.dtype) -> np.ndarray:
    """Return the declared value of no data as pixels of a type hold it.

    Args:
        value: As the file declares it.
        dtype: Of the pixels.
    """
    limits = np.finfo(dtype) if dtype.kind == 'f' else np.iinfo(dtype)
    return np.clip(value, limits.min, limits.max).astype(dtype)


def read_mask(
    path: str, band: BandFile, window: tuple[int, int, int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Return where the mask or alpha band of a file has data, H x W bool.

    Args:
        path: The file.
        band: Its band.
        window: Row, column, height and width in its pixels.
        shape: H and W that are wanted.

    Raises:
        LayoutError: The file is missing.
        RasterError: The file is damaged.
    """
    mask = opened(path).GetRasterBand(band.channel).GetMaskBand()
    try:
        data = mask.ReadRaster(
            *window, buf_xsize=shape[1], buf_ysize=shape[0], buf_type=gdal_modules()[0].GDT_Byte
        )
    except GDAL_ERRORS as error:
        raise raster_failure(path, str(error), 'a whole raster') from error
    return np.frombuffer(data, np.uint8).reshape(shape) != 0

"""Cutting a window of the ground out of the files of a scene, straight into NumPy buffers.

Files stay open between calls, some at a time, in each thread of each process for itself: a process
that was forked opens its own.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from swimdiff.datasets.gdal_access import gdal_modules, open_raster, raster_failure
from swimdiff.datasets.ground import carry, is_geographic, same_system
from swimdiff.datasets.raster_scenes_opening import BandFile, Extent, SceneRasters

__all__ = ['close_files', 'cut', 'into_scene', 'opened', 'read_block']

#: Files that a thread keeps open.
_MOST = 256
#: Nodes along a side of the mesh on which a warp is exact; between them it is linear.
_MESH = 9

_thread = threading.local()
#: Files that the parent had open are never touched in a child, not even to close them.
_inherited: list[Any] = []


def _forget() -> None:
    _inherited.append(_thread.__dict__.pop('files', None))


def close_files() -> None:
    """Close what this thread has open: many threads together would reach the system's limit."""
    _thread.__dict__.pop('files', None)


os.register_at_fork(after_in_child=_forget)


def opened(path: str) -> Any:
    """The GDAL data set of a file, opened by this thread and kept open for a while.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be opened.
    """
    files = _thread.__dict__.setdefault('files', OrderedDict())
    if path in files:
        files.move_to_end(path)
        return files[path]
    try:
        dataset = open_raster(path)
    except RuntimeError as error:
        raise raster_failure(path, str(error), 'a raster') from error
    files[path] = dataset
    while len(files) > _MOST:
        files.popitem(last=False)
    return dataset


def into_scene(points: np.ndarray, system: str, scene: SceneRasters) -> np.ndarray:
    """Points of some system in that of a scene, longitudes on its side of the date line."""
    if not same_system(system, scene.system):
        points = carry(points, system, scene.system)
    if is_geographic(scene.system):
        west, _, east, _ = scene.extent
        points = np.array(points, float)
        points[..., 0] += 360 * np.round(((west + east) / 2 - points[..., 0]) / 360)
    return points


def read_block(
    path: str,
    bands: Sequence[BandFile],
    window: tuple[float, float, float, float],
    shape: tuple[int, int],
    dtype: str,
    resample: str = 'NearestNeighbour',
) -> np.ndarray:
    """Part of a file at any size; no-data and NaN are read as 0.

    Args:
        path: The file.
        bands: Its bands that are wanted.
        window: First column, first row, columns and rows; fractions count where it is resampled.
        shape: Height and width of the result.
        dtype: Type of the result.
        resample: GDAL's name of the method where ``shape`` is not that of the window.

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
            resample_alg=getattr(gdal, f'GRIORA_{resample}'),
            buf_obj=planes.data.cast('B'),
        )
    except RuntimeError as error:
        raise raster_failure(path, [*complaints, str(error)][0], 'a whole raster') from error
    finally:
        gdal.PopErrorHandler()
    if complaints:
        raise raster_failure(path, complaints[0], 'a whole raster')
    for band, plane in zip(bands, planes, strict=True):
        if band.nodata:
            limits = np.finfo(dtype) if planes.dtype.kind == 'f' else np.iinfo(dtype)
            plane[plane == np.clip(band.nodata, limits.min, limits.max).astype(dtype)] = 0
    if planes.dtype.kind == 'f':
        np.nan_to_num(planes, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return planes


def cut(
    root: str, scene: SceneRasters, bands: Sequence[str], ground: Extent, system: str, side: dict
) -> list[np.ndarray]:
    """Planes of one window of the ground.

    Where the file has its own pixels there, they are taken as they are, shifted by less than half
    a pixel; where its pixels are of another size, or it lies in another coordinate system, they
    are resampled bilinearly.

    Args:
        root: The folder of scenes.
        scene: The scene.
        bands: Names of the bands.
        ground: The window, in ``system``.
        system: Coordinate system of the place.
        side: Pixels of a side by band.

    Returns:
        One square array a band, of the type of the scene.
    """
    files: dict[tuple[str, int], list[str]] = {}
    for name in bands:
        files.setdefault((scene.bands[name].file, side[name]), []).append(name)
    same = same_system(system, scene.system)
    points = np.array(ground).reshape(2, 2) if same else _mesh(ground)
    points = into_scene(points, system, scene)
    maps: dict[tuple, _Map] = {}
    found: dict[str, np.ndarray] = {}
    for (file, pixels), names in files.items():
        members = [scene.bands[name] for name in names]
        path = os.path.join(root, file)
        if same:
            planes = _straight(path, members, points, pixels, scene.dtype)
        else:
            grid = (*members[0][2:8], pixels)  # most bands share it
            if grid not in maps:
                maps[grid] = _Map.of(members[0], points, pixels)
            planes = maps[grid].warped(path, members, scene.dtype)
        if scene.offset:
            planes = np.maximum(planes, scene.offset) - np.asarray(scene.offset, planes.dtype)
        found.update(zip(names, planes, strict=True))
    return [found[name] for name in bands]


def _straight(
    path: str, bands: Sequence[BandFile], corners: np.ndarray, side: int, dtype: str
) -> np.ndarray:
    band = bands[0]
    (west, south), (east, north) = corners.tolist()
    column, columns = (west - band.west) / band.dx, (east - west) / band.dx
    row, rows = (band.north - north) / band.dy, (north - south) / band.dy
    size = (band.width, band.height)
    if max(abs(columns - side), abs(rows - side)) < 0.5 and side <= min(size):
        # floor(x + 0.5), as round() would alternate on half pixels.
        start = [
            min(max(int(np.floor(value + (count - side) / 2 + 0.5)), 0), most - side)
            for value, count, most in zip((column, row), (columns, rows), size, strict=True)
        ]
        window = start[0], start[1], side, side
        return read_block(path, bands, window, (side, side), dtype)
    column, row = max(column, 0.0), max(row, 0.0)
    part = column, row, min(columns, size[0] - column), min(rows, size[1] - row)
    return read_block(path, bands, part, (side, side), dtype, 'Bilinear')


def _mesh(ground: Extent) -> np.ndarray:
    """Nodes over a window, from its north-west to its south-east corner."""
    west, south, east, north = ground
    return np.stack(
        np.meshgrid(np.linspace(west, east, _MESH), np.linspace(north, south, _MESH)), axis=-1
    )


class _Map(NamedTuple):
    """Where the pixels of a window lie in a file of another coordinate system.

    Args:
        window: First column, first row, columns and rows of the part of the file.
        shape: Height and width that it is read at.
        x: Column in that for each pixel, float32.
        y: Row.
    """

    window: tuple[int, int, int, int]
    shape: tuple[int, int]
    x: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, band: BandFile, mesh: np.ndarray, side: int) -> '_Map':
        """The map for files with the grid of a band."""
        # Positions in the file, counted in pixels from the centre of its first.
        columns = _between((mesh[..., 0] - band.west) / band.dx - 0.5, side)
        rows = _between((band.north - mesh[..., 1]) / band.dy - 0.5, side)
        left, top = (max(int(np.floor(p.min())) - 1, 0) for p in (columns, rows))
        width = min(int(np.ceil(columns.max())) + 2, band.width) - left
        height = min(int(np.ceil(rows.max())) + 2, band.height) - top
        # Pixels much finer than those wanted are averaged first.
        shrink = max(1, round(min(width, height) / side))
        shape = -(-height // shrink), -(-width // shrink)
        x = ((columns - left + 0.5) * shape[1] / width - 0.5).astype(np.float32)
        y = ((rows - top + 0.5) * shape[0] / height - 0.5).astype(np.float32)
        return cls((left, top, width, height), shape, x, y)

    def warped(self, path: str, bands: Sequence[BandFile], dtype: str) -> np.ndarray:
        """Bands of a file, bilinearly."""
        block = read_block(path, bands, self.window, self.shape, dtype, 'Average')
        edge = cv2.BORDER_REPLICATE
        return np.stack(
            [cv2.remap(p, self.x, self.y, cv2.INTER_LINEAR, borderMode=edge) for p in block]
        )


def _between(mesh: np.ndarray, side: int) -> np.ndarray:
    """Values at the centres of side x side pixels from those at the nodes of the mesh."""
    position = (np.arange(side) + 0.5) / side * (_MESH - 1)
    low = np.minimum(position.astype(int), _MESH - 2)
    weights = np.zeros((side, _MESH))
    weights[np.arange(side), low] = 1 - (position - low)
    weights[np.arange(side), low + 1] = position - low
    return weights @ mesh @ weights.T

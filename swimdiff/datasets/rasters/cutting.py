"""Cutting a window of the ground out of the files of a scene.

Where pixels are resampled, those without data are no numbers: they have no weight in any mean.
"""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from swimdiff.datasets.geo import gdal_modules, same_system
from swimdiff.datasets.rasters.opening import BandFile, Extent, SceneRasters
from swimdiff.datasets.rasters.reading import into_scene, nodata_as, read_block, read_mask

__all__ = ['cut']

#: Nodes along a side of the mesh on which a warp is exact; between them it is linear.
_MESH = 9
#: Pixels of a file read along a side for one that is wanted; of more only every so many-th is.
_FINEST = 8
#: Least weight of data in a resampled pixel; with less it has none.
_LEAST = 0.5


def cut(
    root: str,
    scene: SceneRasters,
    bands: Sequence[str],
    ground: Extent,
    system: str,
    side: dict,
    zeros_are_nodata: bool = False,
) -> list[np.ndarray]:
    """Cut the planes of one window of the ground.

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
        zeros_are_nodata: Whether pixels that are 0 in all of the bands of one grid have no data.

    Returns:
        One square array a band, of the type of the scene; 0 where there is no data.
    """
    grids: dict[tuple, list[str]] = {}
    for name in bands:
        grids.setdefault((*scene.bands[name][2:8], side[name]), []).append(name)
    same = same_system(system, scene.system)
    points = np.array(ground).reshape(2, 2) if same else _mesh(ground)
    points = into_scene(points[None], system, scene)[0]
    planes_by_file: dict[str, np.ndarray] = {}
    for (*_, pixels), names in grids.items():
        source = _Source(root, [scene.bands[name] for name in names], scene.dtype, zeros_are_nodata)
        if same:
            planes = _straight(source, points, pixels)
        else:
            planes = _Map.of(source.bands[0], points, pixels).warped(source)
        if scene.offset:
            planes = np.maximum(planes, scene.offset) - np.asarray(scene.offset, planes.dtype)
        planes_by_file.update(zip(names, planes, strict=True))
    return [planes_by_file[name] for name in bands]


class _Source(NamedTuple):
    """Bands of a scene that have one grid, in one file or several.

    Args:
        root: The folder of scenes.
        bands: The bands.
        dtype: Type of the pixels as handed on.
        zeros_are_nodata: Whether pixels that are 0 in all of them have no data.
    """

    root: str
    bands: Sequence[BandFile]
    dtype: str
    zeros_are_nodata: bool

    def read(
        self, window: tuple[int, int, int, int], shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels of a window and which of them have data, both C x H x W.

        Args:
            window: First column, first row, columns and rows.
            shape: Height and width; where they are smaller than the window, pixels are left out.
        """
        planes = np.empty((len(self.bands), *shape), self.dtype)
        valid = np.ones(planes.shape, bool)
        for file in dict.fromkeys(band.file for band in self.bands):
            numbers = [i for i, band in enumerate(self.bands) if band.file == file]
            bands, path = [self.bands[i] for i in numbers], os.path.join(self.root, file)
            planes[numbers] = raw = read_block(path, bands, window, shape, self.dtype, fill=False)
            for i, band, plane in zip(numbers, bands, raw, strict=True):
                if band.nodata is not None:
                    valid[i] = plane != nodata_as(band.nodata, raw.dtype)
                if raw.dtype.kind == 'f':
                    valid[i] &= np.isfinite(plane)
            if bands[0].masked:
                valid[numbers] &= read_mask(path, bands[0], window, shape)
        if self.zeros_are_nodata:
            valid &= (planes != 0).any(axis=0)
        return planes, valid

    def resample(
        self,
        window: tuple[int, int, int, int],
        shape: tuple[int, int],
        method: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Return a window resampled; what has no data has no weight in it.

        Args:
            window: First column, first row, columns and rows to read.
            shape: Height and width to read them at.
            method: Resamples C x H x W float32, each pixel as a weighted mean of others.
        """
        planes, valid = self.read(window, shape)
        values = planes.astype(np.float32)
        if valid.all():
            values = method(values)
        else:
            weights = method(valid.astype(np.float32))
            values = method(np.where(valid, values, np.float32(0)))
            values = np.where(weights >= _LEAST, values / np.maximum(weights, _LEAST), 0)
        kind = np.dtype(self.dtype)
        if kind.kind == 'f':
            return values.astype(kind)
        limits = np.iinfo(kind)
        return np.clip(np.floor(values + 0.5), limits.min, limits.max).astype(kind)


def _resize(
    planes: np.ndarray,
    window: tuple[float, float, float, float],
    shape: tuple[int, int],
    method: str,
) -> np.ndarray:
    """Return part of C x H x W float32 planes at another size, by one of GDAL's methods."""
    gdal, _ = gdal_modules()
    count, height, width = planes.shape
    memory = gdal.GetDriverByName('MEM').Create('', width, height, count, gdal.GDT_Float32)
    memory.WriteRaster(
        0, 0, width, height, np.ascontiguousarray(planes).tobytes(), buf_type=gdal.GDT_Float32
    )
    resized_planes = np.empty((count, *shape), np.float32)
    memory.ReadRaster(
        *window,
        buf_xsize=shape[1],
        buf_ysize=shape[0],
        buf_type=gdal.GDT_Float32,
        resample_alg=getattr(gdal, f'GRIORA_{method}'),
        buf_obj=resized_planes.data.cast('B'),
    )
    return resized_planes


def _straight(source: _Source, corners: np.ndarray, side: int) -> np.ndarray:
    """Return a window of a scene in the coordinate system of the place."""
    band = source.bands[0]
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
        return _as_they_are(source, (start[0], start[1], side, side))
    column, row = max(column, 0.0), max(row, 0.0)
    columns, rows = min(columns, size[0] - column), min(rows, size[1] - row)
    ratio = max(columns, rows) / side
    # With the pixels around it that the kernel reaches.
    reach = int(np.ceil(ratio)) + 2
    left, top = (max(int(first) - reach, 0) for first in (column, row))
    width = min(int(np.ceil(column + columns)) + reach, size[0]) - left
    height = min(int(np.ceil(row + rows)) + reach, size[1]) - top
    step = max(1, int(ratio) // _FINEST)
    shape = -(-height // step), -(-width // step)
    x, y = shape[1] / width, shape[0] / height
    part = (column - left) * x, (row - top) * y, columns * x, rows * y
    return source.resample(
        (left, top, width, height), shape, lambda p: _resize(p, part, (side, side), 'Bilinear')
    )


def _as_they_are(source: _Source, window: tuple[int, int, int, int]) -> np.ndarray:
    """Return the pixels of a window, unchanged."""
    planes = np.empty((len(source.bands), window[3], window[2]), source.dtype)
    for file in dict.fromkeys(band.file for band in source.bands):
        numbers = [i for i, band in enumerate(source.bands) if band.file == file]
        bands = [source.bands[i] for i in numbers]
        path, shape = os.path.join(source.root, file), (window[3], window[2])
        planes[numbers] = read_block(path, bands, window, shape, source.dtype)
    return planes


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

    def warped(self, source: _Source) -> np.ndarray:
        """Bands of a scene, bilinearly."""
        width, height = self.window[2:]
        step = max(1, height // self.shape[0] // _FINEST)
        return source.resample(self.window, (-(-height // step), -(-width // step)), self._remap)

    def _remap(self, planes: np.ndarray) -> np.ndarray:
        if planes.shape[1:] != self.shape:
            whole = (0, 0, planes.shape[2], planes.shape[1])
            planes = _resize(planes, whole, self.shape, 'Average')
        edge = cv2.BORDER_REPLICATE
        return np.stack(
            [cv2.remap(p, self.x, self.y, cv2.INTER_LINEAR, borderMode=edge) for p in planes]
        )


def _between(mesh: np.ndarray, side: int) -> np.ndarray:
    """Values at the centres of side x side pixels from those at the nodes of the mesh."""
    position = (np.arange(side) + 0.5) / side * (_MESH - 1)
    low = np.minimum(position.astype(int), _MESH - 2)
    weights = np.zeros((side, _MESH))
    weights[np.arange(side), low] = 1 - (position - low)
    weights[np.arange(side), low + 1] = position - low
    return weights @ mesh @ weights.T

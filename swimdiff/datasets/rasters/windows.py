"""The windows that scenes are cut into, and the index of those that are fit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from swimdiff.datasets.geo import is_geographic, metres_per_unit, same_system, to_lonlat
from swimdiff.datasets.index import Strings
from swimdiff.datasets.rasters.files import RasterTree
from swimdiff.datasets.rasters.opening import BandFile, Extent, SceneRasters
from swimdiff.datasets.rasters.options import RasterOptions
from swimdiff.datasets.rasters.places import Place, outline, outline_in
from swimdiff.datasets.rasters.quality import is_judged, look
from swimdiff.datasets.rasters.reading import into_scene
from swimdiff.errors import ConfigError

__all__ = ['Sizes', 'Windows', 'arranged', 'bounds_in', 'fit_windows', 'measure']


@dataclass(frozen=True)
class Sizes:
    """Hold the sizes of windows.

    Args:
        patch: Side of a window in pixels of the finest band.
        stride: Side of a cell of the grid in such pixels.
        step: Pixels that windows are moved by, so that coarser pixels divide them.
        side: Side of a plane by band.
        pixel_metres: Ground size of a pixel; None where the files decide.
    """

    patch: int
    stride: int
    step: int
    side: Mapping[str, int]
    pixel_metres: float | None


class Windows(NamedTuple):
    """Hold the windows of one scene that are fit, and how many are not.

    Args:
        rows: Number of the row of the grid.
        columns: Number of the column.
        corner: Lowest row and column that the scene covers, fit or not.
        seen: Windows that it covers.
        empty: Those with too little data.
        cloudy: Those with too much cloud.
        short: Windows that some of its bands cover, but not all.
    """

    rows: np.ndarray
    columns: np.ndarray
    corner: tuple[int, int]
    seen: int
    empty: int
    cloudy: int
    short: int = 0


def measure(scene: SceneRasters, options: RasterOptions) -> Sizes:
    """Return the sizes for a folder of scenes by the options and the first scene.

    Args:
        scene: The first of the folder.
        options: Of the data set.

    Raises:
        ConfigError: Sizes that do not fit together.
    """
    west, south, east, north = scene.extent
    metres = metres_per_unit((west + east) / 2, (south + north) / 2, scene.system)
    own = {
        name: math.sqrt(band.dx * band.dy * metres[0] * metres[1])
        for name, band in scene.bands.items()
    }
    finest = min(own.values())
    pixel = options.pixel_metres or finest
    if not options.pixel_metres and math.isclose(pixel, round(pixel, 1), rel_tol=0.01):
        pixel = round(pixel, 1) or pixel
    ratio = {name: 1.0 if m <= 1.01 * max(pixel, finest) else m / pixel for name, m in own.items()}
    ratio = {name: round(r) if abs(r - round(r)) < 0.02 * r else r for name, r in ratio.items()}
    patch = options.patch or round((options.patch_metres or 0) / pixel)
    usual = patch if options.windows == 'grid' else 2 * patch
    stride = round(options.stride_metres / pixel) if options.stride_metres else options.stride
    stride = usual if stride is None else stride
    if patch < 1 or stride < 1:
        raise ConfigError(
            f'patch_metres={options.patch_metres}, stride_metres={options.stride_metres}: less '
            f'than a pixel of {pixel:g} m. Expected more.'
        )
    if options.windows == 'random' and stride < patch:
        raise ConfigError(
            f"windows='random' draws patches of {patch} pixels within cells of {stride}: expected "
            'cells that hold a patch. Raise stride (or stride_metres).'
        )
    step = 1
    if all(float(r).is_integer() for r in ratio.values()):
        step = math.lcm(*(int(r) for r in ratio.values()))
    side = {name: max(1, round(patch / r)) for name, r in ratio.items()}
    metres_wanted = pixel if options.on_ground else None
    return Sizes(patch, stride, step if step <= stride else 1, side, metres_wanted)


def bounds_in(extents: np.ndarray, place: Place, scene: SceneRasters) -> np.ndarray:
    """Return bounds in a scene's system of rectangles in a place's.

    Args:
        extents: N x 4, west, south, east and north.
        place: The place.
        scene: The scene.

    Returns:
        N x 4 in the system of the scene.
    """
    if same_system(place.system, scene.system):
        return into_scene(extents.reshape(-1, 2, 2), place.system, scene).reshape(-1, 4)
    around = np.stack([outline((0, 0, 1, 1), 2)] * len(extents))
    corner, size = extents[:, None, :2], (extents[:, 2:] - extents[:, :2])[:, None]
    points = into_scene(corner + around * size, place.system, scene)
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def _grid(scene: SceneRasters, place: Place, sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of row and column of all cells that may lie in a scene."""
    # The middle of a raster of the whole world is half a turn east of its west edge: a degree more,
    # so that it is never taken for half a turn west of it.
    edge = outline_in(scene, place.system, place.west + 1)
    edge = edge[np.isfinite(edge).all(axis=1)]
    if not len(edge):
        return np.zeros(0, int), np.zeros(0, int)
    span = (edge - (place.west, place.north)) / (place.dx, -place.dy) / sizes.stride
    more = np.abs(np.subtract(scene.widest, scene.extent)).max() / _finest(scene).dx
    margin = 1 + math.ceil(more / sizes.stride)
    first, last = np.floor(span.min(axis=0)) - margin, np.ceil(span.max(axis=0)) + margin
    columns, rows = (np.arange(a, b) for a, b in zip(first, last, strict=True))
    grid = np.meshgrid(rows, columns, indexing='ij')
    return grid[0].ravel().astype(int), grid[1].ravel().astype(int)


def _finest(scene: SceneRasters) -> BandFile:
    return min(scene.bands.values(), key=lambda band: band.dx)


def _within_turn(on_ground: np.ndarray, scene: SceneRasters, place: Place) -> np.ndarray:
    """Return which cells lie in a scene that goes around the world, counted from its west edge.

    A turn further on is the same ground, which would be cut twice.
    """
    if not is_geographic(place.system):
        return np.ones(len(on_ground), bool)
    edge = outline_in(scene, place.system, place.west + 1)[:, 0]
    if not np.ptp(edge) > 180:
        return np.ones(len(on_ground), bool)
    west, east = edge.min() - place.dx / 2, edge.max() + place.dx / 2
    return (on_ground[:, 0] >= west) & (on_ground[:, 2] <= east)


def cells(
    rows: np.ndarray, columns: np.ndarray, place: Place, sizes: Sizes, cell: int
) -> np.ndarray:
    """Return N x 4 extents of cells by number, moved onto whole coarse pixels.

    Args:
        rows: N numbers of rows.
        columns: N numbers of columns.
        place: The place whose lattice they are on.
        sizes: Of the windows.
        cell: Pixels of a cell.
    """
    left = place.west + columns * sizes.stride // sizes.step * sizes.step * place.dx
    top = place.north - rows * sizes.stride // sizes.step * sizes.step * place.dy
    return np.stack([left, top - cell * place.dy, left + cell * place.dx, top], axis=1)


def _lie_in(bounds: Extent, extents: np.ndarray, scene: SceneRasters) -> np.ndarray:
    """Return which of N x 4 extents lie within bounds, all in the system of a scene."""
    # Dates of one place are shifted by half a pixel at most when they are read.
    finest = _finest(scene)
    slack = np.array([finest.dx, finest.dy]) * 0.501
    west_south, east_north = np.array(bounds[:2]) - slack, np.array(bounds[2:]) + slack
    starts_within = (extents[:, :2] >= west_south).all(axis=1)
    return np.logical_and(starts_within, (extents[:, 2:] <= east_north).all(axis=1))


def fit_windows(tree: RasterTree, scene: SceneRasters, place: Place, sizes: Sizes) -> Windows:
    """Return the windows of a place that a scene covers, with data and clear sky.

    Args:
        tree: The folder and how it is read.
        scene: A scene of the place.
        place: The place.
        sizes: Of the windows.

    Raises:
        LayoutError: A file is missing.
        RasterError: A file is damaged.
    """
    options = tree.options
    cell = sizes.patch if options.windows == 'grid' else sizes.stride
    rows, columns = _grid(scene, place, sizes)
    on_ground = cells(rows, columns, place, sizes, cell)
    extents = bounds_in(on_ground, place, scene)
    turn = _within_turn(on_ground, scene, place)
    within = turn & _lie_in(scene.extent, extents, scene)
    short = int((turn & _lie_in(scene.widest, extents, scene) & ~within).sum())
    if not np.isfinite(to_lonlat(outline(scene.extent), scene.system)).all():
        middles = (on_ground[:, :2] + on_ground[:, 2:]) / 2
        within &= np.isfinite(to_lonlat(middles, place.system)).all(axis=1)  # the rest is space
    rows, columns, extents = rows[within], columns[within], extents[within]
    corner = (int(rows.min()), int(columns.min())) if len(rows) else (0, 0)
    if not len(rows) or not is_judged(scene, options):
        return Windows(rows, columns, corner, len(rows), 0, 0, short)
    window = tuple((extents[:, 2:] - extents[:, :2]).mean(axis=0) * sizes.patch / cell)
    valid, clear = look(tree, scene, scene.extent, window).shares(extents)
    has_data = valid >= options.min_valid - 1e-9
    fit = has_data & (clear >= options.min_clear - 1e-9)
    empty, cloudy = int((~has_data).sum()), int((has_data & ~fit).sum())
    return Windows(rows[fit], columns[fit], corner, len(rows), empty, cloudy, short)


@dataclass(frozen=True)
class Arranged:
    """Hold the windows of all scenes, sorted by place, row, column and date.

    Args:
        names: Name of each location.
        first: Number of the first row of each location.
        centres: L x 2 longitudes and latitudes.
        columns: Columns of the index.
    """

    names: Strings
    first: np.ndarray
    centres: np.ndarray
    columns: Mapping[str, np.ndarray]


def arranged(
    found: Sequence[tuple[int, int, Windows]], places: Sequence[Place], sizes: Sizes, cell: int
) -> Arranged:
    """Put the windows of all scenes in order.

    Args:
        found: Number of the place and of the scene (in the order of dates), and its windows.
        places: The places.
        sizes: Sizes of windows.
        cell: Side of a cell in pixels.
    """
    count = [len(windows.rows) for _, _, windows in found]
    place = np.repeat([place for place, _, _ in found], count).astype(np.int32)
    scene = np.repeat([scene for _, scene, _ in found], count).astype(np.int32)
    rows = np.concatenate([windows.rows for _, _, windows in found])
    columns = np.concatenate([windows.columns for _, _, windows in found])
    order = np.lexsort((scene, columns, rows, place))
    place, scene, rows, columns = (a[order] for a in (place, scene, rows, columns))
    changes = (np.diff(place) != 0) | (np.diff(rows) != 0) | (np.diff(columns) != 0)
    first = np.flatnonzero(np.concatenate([[True], changes])) if len(rows) else np.zeros(0, int)
    left, top = np.zeros(len(rows)), np.zeros(len(rows))
    centres, names = np.zeros((len(first), 2)), []
    # Counted from the first that is covered, so that a name does not hang on the thresholds.
    lowest: dict[int, tuple[int, int]] = {}
    for number, _, windows in found:
        if windows.seen:
            row, column = lowest.get(number, windows.corner)
            lowest[number] = min(row, windows.corner[0]), min(column, windows.corner[1])
    for number in np.unique(place).tolist():
        own, (row, column) = places[number], lowest[number]
        where = slice(*np.searchsorted(place, [number, number + 1]))
        extents = cells(rows[where], columns[where], own, sizes, cell)
        left[where], top[where] = extents[:, 0], extents[:, 3]
        locations = slice(*np.searchsorted(place[first], [number, number + 1]))
        here = first[locations]
        middle = np.stack([left[here] + cell * own.dx / 2, top[here] - cell * own.dy / 2], axis=1)
        centres[locations] = to_lonlat(middle, own.system)
        numbers = zip((rows[here] - row).tolist(), (columns[here] - column).tolist(), strict=True)
        names += [f'{own.name}/{r:05d}_{c:05d}' for r, c in numbers]
    first = np.concatenate([first, [len(rows)]]).astype(np.int64)
    entries: dict[str, np.ndarray] = dict(place=place, scene=scene, left=left, top=top)
    return Arranged(Strings.of(names), first, centres, entries)


def window_at(left: float, top: float, place: Place, pixels: int) -> Extent:
    """Return the ground of a square window by its north-west corner.

    Args:
        left: West edge in the system of the place.
        top: North edge.
        place: The place.
        pixels: Pixels of an edge.
    """
    return left, top - pixels * place.dy, left + pixels * place.dx, top

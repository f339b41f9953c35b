"""The grid of a map: its coordinate system, its pixels, and where other rasters lie on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    carry,
    is_geographic,
    open_raster,
    raster_failure,
    same_system,
    to_lonlat,
)
from swimdiff.errors import ConfigError, RasterError

__all__ = ['Grid', 'adapt_grid', 'check_overlap', 'read_grid']

#: Most difference of two grids that are the same, in pixels: files round their coordinates.
_SAME = 1e-3
#: Points along a side of a footprint that is carried to another coordinate system.
_POINTS = 21


@dataclass(frozen=True)
class Grid:
    """Describe pixels that run east and south from a corner.

    Args:
        system (str): Coordinate system, WKT; '' for arrays without one.
        west (float): West edge in units of the system.
        dx (float): Width of a pixel.
        north (float): North edge.
        dy (float): Height of a pixel, above 0.
        width (int): Columns.
        height (int): Rows.
    """

    system: str
    west: float
    dx: float
    north: float
    dy: float
    width: int
    height: int

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Return GDAL's six numbers."""
        return self.west, self.dx, 0.0, self.north, 0.0, -self.dy

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Return the west, south, east and north edges."""
        south, east = self.north - self.height * self.dy, self.west + self.width * self.dx
        return self.west, south, east, self.north

    def find_place(self, other: 'Grid') -> tuple[int, int] | None:
        """Return where the first pixel lies in a larger grid of the same pixels.

        Args:
            other (Grid): The other grid.

        Returns:
            tuple[int, int]: Column and row in the other; None where its pixels are not those of
            the other, within a thousandth of one, or reach over it.
        """
        if not same_system(self.system, other.system):
            return None
        drift = abs(self.dx / other.dx - 1) * self.width, abs(self.dy / other.dy - 1) * self.height
        position = (self.west - other.west) / other.dx, (other.north - self.north) / other.dy
        column, row = (round(value) for value in position)
        if max(*drift, abs(position[0] - column), abs(position[1] - row)) > _SAME:
            return None
        inside = 0 <= column <= other.width - self.width and 0 <= row <= other.height - self.height
        return (column, row) if inside else None

    def describe(self) -> str:
        """Return where it lies, for messages."""
        west, south, east, north = self.bounds
        points = to_lonlat(np.array([(west + east) / 2, (south + north) / 2]), self.system)
        return f'{self.width} x {self.height} pixels around {points[1]:.4f} N {points[0]:.4f} E'


def read_grid(path: str | Path) -> Grid:
    """Read the grid of a raster.

    Args:
        path (str | Path): Any raster with a georeference.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be read, has no georeference or is rotated.
    """
    try:
        dataset = open_raster(str(path))
    except GDAL_ERRORS as error:
        raise raster_failure(str(path), str(error), 'a raster') from error
    system, transform = dataset.GetSpatialRef(), dataset.GetGeoTransform(can_return_null=True)
    if system is None or transform is None:
        raise RasterError(
            f'{path} has no georeference. Expected a coordinate system and an affine transform in '
            'the file: gdal_edit.py -a_srs ... -a_ullr ...'
        )
    west, dx, turn, north, tilt, dy = transform
    if turn or tilt or not dx > 0 > dy:
        raise RasterError(
            f'{path} is not north-up: its geotransform is {tuple(transform)}. Expected pixels that '
            'run east and south without rotation: gdalwarp SRC DST.'
        )
    wkt = system.ExportToWkt(['FORMAT=WKT2_2019'])
    return Grid(wkt, west, dx, north, -dy, dataset.RasterXSize, dataset.RasterYSize)


def adapt_grid(
    grid: Grid,
    resolution: float | None = None,
    bounds: Sequence[float] | None = None,
) -> Grid:
    """Return a grid with other bounds or pixels.

    Args:
        grid (Grid): The grid.
        resolution (float, optional): Side of a pixel in units of its system. Defaults to None.
        bounds (Sequence[float], optional): West, south, east and north; moved to the nearest edges
            of the grid's own pixels. Defaults to None.

    Raises:
        ConfigError: Bounds that are empty, or a pixel larger than the grid.
    """
    west, _, _, north = grid.bounds
    if bounds is not None:
        left, bottom, right, top = bounds
        columns = [round((value - west) / grid.dx) for value in (left, right)]
        rows = [round((north - value) / grid.dy) for value in (top, bottom)]
        if columns[0] >= columns[1] or rows[0] >= rows[1]:
            raise ConfigError(
                f'bounds={tuple(bounds)}: expected west, south, east and north in units of the '
                f'grid, at least a pixel apart; the grid has {grid.bounds}.'
            )
        west, north = west + columns[0] * grid.dx, north - rows[0] * grid.dy
        size = columns[1] - columns[0], rows[1] - rows[0]
        grid = Grid(grid.system, west, grid.dx, north, grid.dy, *size)
    if resolution is None:
        return grid
    sides = grid.width * grid.dx, grid.height * grid.dy
    if resolution > min(sides):
        unit = 'degrees' if grid.system and is_geographic(grid.system) else 'units of the grid'
        raise ConfigError(
            f'resolution={resolution}: a pixel as large as the whole raster, which is '
            f'{sides[0]:g} x {sides[1]:g} {unit}. Expected the side of a pixel in {unit}; that of '
            f'the raster is {grid.dx:g} x {grid.dy:g}.'
        )
    # Half a pixel at the edge counts as one.
    counts = [
        max(1, int(np.floor(count * pixel / resolution + 0.5)))
        for count, pixel in ((grid.width, grid.dx), (grid.height, grid.dy))
    ]
    return Grid(grid.system, grid.west, resolution, grid.north, resolution, counts[0], counts[1])


def check_overlap(grid: Grid, other: Grid, path: str) -> None:
    """Refuse a raster that shares no ground with a grid.

    Args:
        grid (Grid): The grid of the map.
        other (Grid): That of the raster.
        path (str): The raster, for the message.

    Raises:
        RasterError: They do not overlap.
    """
    west, south, east, north = other.bounds
    x, y = np.linspace(west, east, _POINTS), np.linspace(south, north, _POINTS)
    mesh = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    if not same_system(grid.system, other.system):
        mesh = carry(mesh, other.system, grid.system)
    mesh = mesh[np.isfinite(mesh).all(axis=1)]
    west, south, east, north = grid.bounds
    if len(mesh):
        low, high = mesh.min(axis=0), mesh.max(axis=0)
        if low[0] < east and high[0] > west and low[1] < north and high[1] > south:
            return
    raise RasterError(
        f'{path} shares no ground with the map: it covers {other.describe()}, the map '
        f'{grid.describe()}. Expected rasters of one place; check the paths, --grid and --bounds.'
    )

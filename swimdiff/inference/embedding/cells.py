"""The patches of a scene as cells of a grid, and the ground that each covers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from swimdiff.datasets.geo import carry, join_longitudes, same_system
from swimdiff.datasets.rasters import SceneRasters
from swimdiff.errors import ConfigError

__all__ = ['CellGrid']

#: Pixels along a side of what is read at once.
_BLOCK = 1024
#: Bytes of the patches of a block.
_MOST_BYTES = 32 << 20
LONLAT = 'EPSG:4326'


@dataclass(frozen=True)
class CellGrid:
    """Describe where the patches of a scene lie.

    Args:
        west: West edge of the first patch, in units of the system.
        north: North edge of the first patch.
        dx: Width of a pixel.
        dy: Height of a pixel, above 0.
        patch: Side of a patch in pixels.
        stride: Pixels from one patch to the next.
        rows: Patches below each other.
        columns: Patches side by side.
        system: Coordinate system of the scene, WKT.
    """

    west: float
    north: float
    dx: float
    dy: float
    patch: int
    stride: int
    rows: int
    columns: int
    system: str

    @classmethod
    def lay(cls, scene: SceneRasters, patch: int, stride: int) -> 'CellGrid':
        """Lay the grid over the ground of all bands of a scene, on the finest pixels.

        Args:
            scene: The scene.
            patch: Side of a patch in pixels of the finest band.
            stride: Pixels from one patch to the next.

        Raises:
            ConfigError: Sizes that are no sizes, or no patch fits into the scene.
        """
        if patch < 1 or stride < 1:
            raise ConfigError(f'patch={patch}, stride={stride}: expected 1 pixel or more.')
        finest = min(scene.bands.values(), key=lambda band: band.dx)
        west, south, east, north = scene.extent
        # A tenth of a pixel is an error of rounding, not a pixel that is missing.
        left = int(np.ceil((west - finest.west) / finest.dx - 0.1))
        right = int(np.floor((east - finest.west) / finest.dx + 0.1))
        top = int(np.ceil((finest.north - north) / finest.dy - 0.1))
        bottom = int(np.floor((finest.north - south) / finest.dy + 0.1))
        if min(right - left, bottom - top) < patch:
            raise ConfigError(
                f'{scene.path} has {right - left} x {bottom - top} pixels that all its bands '
                f'cover, and no patch of {patch} fits. Expected a smaller one: --patch.'
            )
        corner = finest.west + left * finest.dx, finest.north - top * finest.dy
        rows, columns = ((side - patch) // stride + 1 for side in (bottom - top, right - left))
        return cls(*corner, finest.dx, finest.dy, patch, stride, rows, columns, scene.system)

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Return GDAL's six numbers of a raster with one pixel per patch.

        A pixel is a stride wide and lies around the middle of its patch.
        """
        margin = (self.patch - self.stride) / 2
        west, north = self.west + margin * self.dx, self.north - margin * self.dy
        return west, self.stride * self.dx, 0.0, north, 0.0, -self.stride * self.dy

    def extents(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return west, south, east and north of patches, N x 4, in the scene's system.

        Args:
            rows: N rows of the grid.
            columns: N columns.
        """
        west = self.west + columns * self.stride * self.dx
        north = self.north - rows * self.stride * self.dy
        width, height = self.patch * self.dx, self.patch * self.dy
        return np.stack([west, north - height, west + width, north], axis=1)

    def footprints(self, rows: np.ndarray, columns: np.ndarray, system: str = LONLAT) -> np.ndarray:
        """Return the outlines of patches, counter-clockwise and closed.

        Args:
            rows: N numbers of rows.
            columns: N numbers of columns.
            system: Coordinate system wanted. Longitudes go beyond 180 where a patch lies across
                the date line, so that each outline is in one piece.

        Returns:
            N x 5 x 2 coordinates.
        """
        west, south, east, north = self.extents(rows, columns).T
        corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        points = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
        if not same_system(self.system, system):
            points = carry(points, self.system, system)
        if system == LONLAT and len(points):
            points = join_longitudes(points, 0.0, carried=True)
        return points

    def blocks(self, channels: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the patches in blocks, so that no part of a file is read twice.

        Args:
            channels: Bands of a patch; a block of many large patches is made smaller.

        Yields:
            Numbers of the rows and of the columns of the patches of a block.
        """
        bytes_each = self.patch**2 * channels
        side = max(1, min(_BLOCK // self.stride, int((_MOST_BYTES / bytes_each) ** 0.5)))
        for top in range(0, self.rows, side):
            for left in range(0, self.columns, side):
                rows = np.arange(top, min(top + side, self.rows))
                columns = np.arange(left, min(left + side, self.columns))
                grid = np.meshgrid(rows, columns, indexing='ij')
                yield grid[0].ravel(), grid[1].ravel()

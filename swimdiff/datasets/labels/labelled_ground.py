"""The rasters of one row of a list with their labels, on the pixels of the first date."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swimdiff.datasets.change import IGNORE, Window
from swimdiff.datasets.geo import metres_per_unit
from swimdiff.datasets.labels.classes import ClassTable
from swimdiff.datasets.labels.layers import Grid, Layer, lay_onto
from swimdiff.datasets.labels.lists import ListedRasters
from swimdiff.datasets.labels.polygons import Polygons, is_vector, read_polygons
from swimdiff.datasets.labels.sources import open_image, open_mask

__all__ = ['LabelledGround', 'open_ground']


@dataclass(frozen=True)
class LabelledGround:
    """Hold the dates and labels of some ground.

    Args:
        row: Where it is from.
        dates: The rasters, all on the grid of the first.
        labels: Polygons, or a mask on the same grid.
        classes: What the labels mean.
        zeros_are_nodata: Whether a pixel that is zero in every band of a date is without data.
    """

    row: ListedRasters
    dates: tuple[Layer, ...]
    labels: Polygons | Layer
    classes: ClassTable
    zeros_are_nodata: bool = True

    @property
    def grid(self) -> Grid:
        """Return the pixels of the first date."""
        return self.dates[0].grid

    @property
    def shape(self) -> tuple[int, int]:
        """Return height and width in pixels."""
        return self.grid.height, self.grid.width

    def measure_pixel(self) -> float:
        """Return the shorter side of a pixel in the middle of the raster, in metres."""
        west, south, east, north = self.grid.extent
        x, y = metres_per_unit((west + east) / 2, (south + north) / 2, self.grid.system)
        return min(x * self.grid.transform[1], -y * self.grid.transform[5])

    def clip(self, window: Window) -> Window:
        """Return the part of a window that lies inside the raster."""
        row, column, height, width = window
        return (
            row,
            column,
            min(height, self.grid.height - row),
            min(width, self.grid.width - column),
        )

    def read_labels(self, window: Window) -> np.ndarray:
        """Read the classes of a window inside the raster, H x W uint8; 255 is unlabelled."""
        if isinstance(self.labels, Polygons):
            return self.labels.draw(self.grid.shift(*window))
        planes, valid = self.labels.read(window)
        numbers = self.classes.number_pixels(planes[0])
        numbers[~valid] = IGNORE
        return numbers

    def read_images(self, window: Window) -> tuple[list[np.ndarray], np.ndarray]:
        """Read all dates of a window inside the raster.

        Returns:
            C x H x W float32 of each date, 0 without data; and H x W bool, where all have data.
        """
        images, everywhere = [], np.ones(window[2:], bool)
        for date in self.dates:
            planes, valid = date.read(window)
            if self.zeros_are_nodata:
                valid &= (planes != 0).any(axis=0)
            images.append(planes)
            everywhere &= valid
        return images, everywhere


def open_ground(
    row: ListedRasters,
    bands: Sequence[str],
    file_bands: Sequence[str] | None,
    classes: ClassTable,
    layer: str | None,
    zeros_are_nodata: bool,
    unit: str | None = None,
    offset: int | None = None,
) -> LabelledGround:
    """Open the rasters and the labels of a row and lay them onto the first date.

    Args:
        row: The row of the list.
        bands: Bands wanted.
        file_bands: Names of the bands of every file in their order; None: by their descriptions.
        classes: What the labels mean.
        layer: Layer of the vector file where it has several.
        zeros_are_nodata: Whether a pixel that is zero in every band is without data.
        unit: What the images hold.
        offset: What is taken off their numbers; None: as they say.

    Raises:
        DataError: A file is missing or damaged, has no georeference, or lies elsewhere.
    """
    first = open_image(row.images[0], bands, file_bands, unit, offset)
    others = [open_image(path, bands, file_bands, unit, offset) for path in row.images[1:]]
    dates = (first, *(lay_onto(other, first.grid, 'bilinear', first.path) for other in others))
    labels: Polygons | Layer
    if is_vector(row.labels):
        labels = read_polygons(row.labels, classes, first.grid, first.path, layer)
    else:
        labels = lay_onto(open_mask(row.labels), first.grid, 'near', first.path)
    return LabelledGround(row, dates, labels, classes, zeros_are_nodata)

"""One patch of an archive: all that is needed to read it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swimdiff.datasets.index.planes import stack_planes
from swimdiff.datasets.index.source import PatchSource, Tables

__all__ = ['Patch']


@dataclass(frozen=True)
class Patch:
    """Describe a location of an archive, at one date or at several.

    It may be sent to another process: the archive goes along as a path and options, its index as
    the files to map.

    Args:
        source: The archive.
        rows: Rows of its index, one per date, all of one location.
        tables: Tables that stretch the pixels to uint8; None leaves them as they are.
    """

    source: PatchSource
    rows: tuple[int, ...]
    tables: Tables | None = None

    @property
    def paths(self) -> list[str]:
        """Return the path of each date."""
        return [self.source.path(row) for row in self.rows]

    @property
    def dates(self) -> list[str]:
        """Return each date as the archive writes it, YYYYMMDD for Sentinel-2."""
        return [self.source.row_date(row) for row in self.rows]

    def read(self, bands: Sequence[str]) -> list[list[np.ndarray]]:
        """Read the planes of all dates together, as they are in the archive.

        Args:
            bands: Bands by name.

        Returns:
            For each date one H x W array per band, at the band's own size.

        Raises:
            LayoutError: A file is missing.
            RasterError: A file is damaged.
        """
        return self.source.read(self.rows, bands)

    def read_images(
        self, bands: Sequence[str], size: int | tuple[int, int] | None = None
    ) -> list[np.ndarray]:
        """Read one image per date: stretched, resampled to one grid, stacked.

        Args:
            bands: Bands by name, in the order of the channels.
            size: Height and width in pixels; by default those of the finest band.

        Returns:
            For each date H x W x C, uint8 with ``tables``, else of the type of the archive.

        Raises:
            LayoutError: A file is missing.
            RasterError: A file is damaged.
        """
        tables = None if self.tables is None else [self.tables[band] for band in bands]
        gaps = self.source.zeros_are_nodata
        return [stack_planes(planes, size, tables, gaps) for planes in self.read(bands)]

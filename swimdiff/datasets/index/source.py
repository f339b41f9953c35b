"""Where patches come from: the interface between an archive's layout and the data sets.

One implementation a layout (SeCo, SEN12MS, SSL4EO-S12, folders of scenes) and one for packs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import canonical_bands
from swimdiff.datasets.index.patch_index import PatchIndex
from swimdiff.errors import BandError, LayoutError

__all__ = ['LocationSamples', 'PatchSource']


class PatchSource(ABC):
    """An archive of patches on disk.

    Attributes:
        root: The folder that paths of the index are relative to.
        bands: Every band of the archive, in its order.
        dtype: Type of the pixels.
        unit: What a pixel says, see :mod:`swimdiff.bands.units`; None where nothing is declared.
        zeros_are_nodata: Whether a pixel that is 0 in all bands of one size has no data.
        unit_is_declared: Whether that is an option of the data set, not a fact of the archive.
    """

    root: Path
    bands: tuple[str, ...]
    dtype: str = 'uint8'
    unit: str | None = None
    unit_is_declared: bool = False
    zeros_are_nodata: bool = False

    @abstractmethod
    def key(self) -> dict[str, Any]:
        """Every option that decides the content of the index, for JSON."""

    @abstractmethod
    def build(self) -> PatchIndex:
        """Read the tree. What is left out stands in ``about['left_out']``, one message each."""

    @abstractmethod
    def read(
        self, index: PatchIndex, rows: Sequence[int], bands: Sequence[str]
    ) -> list[list[np.ndarray]]:
        """Planes of some rows of one location, each H x W at the band's own size.

        Raises:
            LayoutError: A file is missing.
            RasterError: A file is damaged.
        """

    def path(self, index: PatchIndex, row: int) -> str:
        """Path of a row, for messages and data samples."""
        return f'{self.root}/{index.paths[row]}'

    def rasters(self, index: PatchIndex, row: int, bands: Sequence[str]) -> list[str]:
        """Files that tell where a row lies on the globe; the first is asked first."""
        return [self.path(index, row)]

    def date(self, path: str) -> str:
        """Date of a row by its path: what stands before the T of a Sentinel-2 product id."""
        return path.rsplit('/', 1)[-1].split('T')[0]

    def row_date(self, index: PatchIndex, row: int) -> str:
        """Date of a row."""
        return self.date(self.path(index, row))

    def names(self, bands: Iterable[str] | None) -> tuple[str, ...]:
        """Names of the bands wanted as the archive spells them; all without ``bands``.

        Raises:
            BandError: The archive has no such band.
        """
        names = self.bands if bands is None else canonical_bands(bands)
        absent = [name for name in names if name not in self.bands]
        if absent:
            raise BandError(
                f'{self.root} has no {", ".join(absent)}; it has {", ".join(self.bands)}. Name '
                'bands that it has.'
            )
        return tuple(names)


class LocationSamples(Sequence[Mapping[str, Any]]):
    """The locations of an index as the scene definitions take them, made when asked for."""

    def __init__(self, source: PatchSource, index: PatchIndex, bands: Sequence[str]) -> None:
        self.source, self.patches, self.bands = source, index, bands

    def __len__(self) -> int:
        return len(self.patches.locations)

    @property
    def names(self) -> Sequence[str]:
        """Names of the locations."""
        return self.patches.locations

    def __getitem__(self, location: Any) -> Any:
        if not 0 <= location < len(self):
            raise IndexError(location)
        index, rows = self.patches, self.patches.rows(location)
        name = index.locations[location]
        # A name with a slash says what the location was cut from, as those of RasterScenes do.
        group = name.rpartition('/')[0] or name
        found = dict(location=name, group=group, products=index.products(location))
        centre = None if index.centres is None else index.centres[location]
        if centre is not None and np.isfinite(centre).all():
            return dict(found, centre=(float(centre[0]), float(centre[1])))
        if not len(rows):
            raise LayoutError(f'Location {found["location"]} of {self.source.root} has no dates.')
        return dict(
            found,
            raster=self.source.rasters(index, rows[0], self.bands)[0],
            others=lambda: list(self._files(rows)),
        )

    def _files(self, rows: range) -> Iterator[str]:
        for row in rows:
            yield from self.source.rasters(self.patches, row, self.bands)

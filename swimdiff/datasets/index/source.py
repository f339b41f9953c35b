"""Where patches come from: an archive on disk, opened with the index of what it holds.

One class per layout (SeCo, SEN12MS, SSL4EO-S12, folders of rasters or pictures) and one for packs.
They differ in how they index and read; who asks them need not know which one it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import get_stats, spell_bands
from swimdiff.bands.units import UNITS
from swimdiff.datasets.index.cache import cache_folder, cached_array, cached_index
from swimdiff.datasets.index.patch_index import PatchIndex
from swimdiff.datasets.index.planes import stretch_table
from swimdiff.errors import BandError, ConfigError, LayoutError

__all__ = ['Georeference', 'LocationSamples', 'PatchSource', 'Tables']

#: Affine transform in GDAL's order, and coordinate system as WKT.
Georeference = tuple[tuple[float, ...], str]

#: Rows of :func:`stretch_table` by band.
Tables = Mapping[str, np.ndarray]


class PatchSource(ABC):
    """Read an archive of patches on disk, with its index.

    A new archive is one class with :meth:`key`, :meth:`build` and :meth:`read`, registered in
    ``SOURCES``, and a data set that names it, see docs/extend.md.

    Attributes:
        root: The folder that paths of the index are relative to.
        bands: Every band of the archive, in its order.
        dtype: Type of the pixels.
        unit: What a pixel says, see :mod:`swimdiff.bands.units`; None where nothing is declared.
        unit_is_declared: Whether that is an option of the data set, not a fact of the archive.
        zeros_are_nodata: Whether a pixel that is 0 in all bands of one size has no data.
        draws_windows: Whether each reading of a row cuts another patch.
        index_cache: Where the index is kept: ``auto``, a folder, or None for nowhere.
    """

    root: Path
    bands: tuple[str, ...]
    dtype: str = 'uint8'
    unit: str | None = None
    unit_is_declared: bool = False
    zeros_are_nodata: bool = False
    draws_windows: bool = False
    index_cache: str | Path | None = 'auto'
    #: Folder for what is derived from the index; None where nothing is kept.
    _kept_in: Path | None = None

    @cached_property
    def index(self) -> PatchIndex:
        """Return what the archive holds; open it, or make it, when first asked for."""
        return self._open_index()

    def _open_index(self) -> PatchIndex:
        folder = cache_folder(self.root, self.index_cache)
        index, self._kept_in = cached_index(self.root, self.key(), self.build, folder)
        return index

    def keep_array(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return an array derived from the index, from the file beside it or computed.

        Args:
            name: File name without suffix; it must tell everything the array depends on.
            make: Computes the array.
        """
        _ = self.index  # where it is kept is known once it is open
        return cached_array(self._kept_in, name, make)

    # Each layout has its own

    @abstractmethod
    def key(self) -> dict[str, Any]:
        """Return every option that decides the content of the index, for JSON."""

    @abstractmethod
    def build(self) -> PatchIndex:
        """Read the tree. What is left out is in ``about['left_out']``, one message each."""

    @abstractmethod
    def read(self, rows: Sequence[int], bands: Sequence[str]) -> list[list[np.ndarray]]:
        """Read planes of some rows of one location, each H x W at the band's own size.

        Args:
            rows: Rows of the index.
            bands: Bands by name.

        Returns:
            For each row one array per band, of ``dtype``.

        Raises:
            LayoutError: A file is missing.
            RasterError: A file is damaged.
        """

    @classmethod
    def list_packed_options(cls, **options: Any) -> dict[str, Any]:
        """Return the options that a pack of such an archive must have been made with.

        Args:
            **options: Options of the source as a config gives them, without ``data_root``.
        """
        return {}

    def path(self, row: int) -> str:
        """Return the path of a row, for messages and data samples."""
        return f'{self.root}/{self.index.paths[row]}'

    def rasters(self, row: int, bands: Sequence[str]) -> list[str]:
        """Return files that tell where a row lies on the globe; the first is asked first."""
        return [self.path(row)]

    def georeference(self, row: int, band: str) -> Georeference | None:
        """Return where the pixels of a band of a row lie; None if only files know."""
        return None

    def date(self, path: str) -> str:
        """Return the date of a path: what comes before the T of a Sentinel-2 product id."""
        return path.rsplit('/', 1)[-1].split('T')[0]

    def row_date(self, row: int) -> str:
        """Return the date of a row."""
        return self.date(self.path(row))

    # Options of a data set, judged by what the archive has

    def names(self, bands: Iterable[str] | None) -> tuple[str, ...]:
        """Return the bands wanted by the archive's own names; all without ``bands``.

        Raises:
            BandError: The archive has no such band.
        """
        names = self.bands if bands is None else spell_bands(bands)
        absent = [name for name in names if name not in self.bands]
        if absent:
            raise BandError(
                f'{self.root} has no {", ".join(absent)}; it has {", ".join(self.bands)}. Name '
                'bands that it has.'
            )
        return tuple(names)

    def make_tables(self, stats: Any, bands: Sequence[str]) -> Tables | None:
        """Return the tables that stretch pixels to uint8.

        Args:
            stats: Statistics that hold the stretch, see :func:`swimdiff.bands.get_stats`; None:
                pixels are taken as they are.
            bands: Bands by name.

        Returns:
            None where pixels are taken as they are.

        Raises:
            ConfigError: The statistics are of another unit than the pixels.
        """
        if stats is None:
            return None
        table = get_stats(stats)
        if self.unit is not None and table.unit != self.unit:
            option = f' --dataset-options unit="{self.unit}"'
            is_known_unit = table.unit in UNITS
            raise ConfigError(
                f'The statistics {table.name!r} are of {table.unit!r}, '
                + ('' if is_known_unit else 'the numbers as they are in the files; ')
                + f'the pixels of {self.root} are {self.unit!r}. Name statistics of that '
                'unit (stats=...), or compute them with tools/dataset_converters/compute_stats.py'
                + (option if self.unit_is_declared else '')
                + '.'
            )
        low, high = table.select('low', bands), table.select('high', bands)
        return dict(zip(bands, stretch_table(low, high, self.dtype), strict=True))


class LocationSamples(Sequence[Mapping[str, Any]]):
    """Give scene definitions the locations of an archive, made when asked for.

    Args:
        source: The archive.
        bands: Bands whose files may tell where a location lies.
    """

    def __init__(self, source: PatchSource, bands: Sequence[str]) -> None:
        self.source, self.bands = source, bands

    def __len__(self) -> int:
        return len(self.source.index.locations)

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the locations."""
        return self.source.index.locations

    def __getitem__(self, location: Any) -> Any:
        if not 0 <= location < len(self):
            raise IndexError(location)
        index = self.source.index
        rows, name = index.rows(location), index.locations[location]
        # A name with a slash says what the location was cut from, as those of RasterScenes do.
        group = name.rpartition('/')[0] or name
        sample = dict(location=name, group=group, products=index.products(location))
        centre = None if index.centres is None else index.centres[location]
        if centre is not None and np.isfinite(centre).all():
            return dict(sample, centre=(float(centre[0]), float(centre[1])))
        if not len(rows):
            raise LayoutError(f'Location {sample["location"]} of {self.source.root} has no dates.')
        return dict(
            sample,
            raster=self.source.rasters(rows[0], self.bands)[0],
            others=lambda: list(self._files(rows)),
        )

    def _files(self, rows: range) -> Iterator[str]:
        for row in rows:
            yield from self.source.rasters(row, self.bands)

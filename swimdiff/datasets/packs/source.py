"""Packs: archives written once into a few large files, read by position.

A pack is a folder with ``pack.json``; ``tools/dataset_converters/pack.py`` makes one. Reading needs
no GDAL. Every plane is compared with its checksum each time it is read, so that damage is an error
and never a sample. The layout of the files stands in :mod:`swimdiff.datasets.packs.format`.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import SENTINEL2, declare_bands, get_stats
from swimdiff.datasets.index.patch_index import PatchIndex
from swimdiff.datasets.index.source import PatchSource
from swimdiff.datasets.packs.codecs import decode_jpeg
from swimdiff.datasets.packs.format import (
    MANIFEST,
    checksum,
    file_checksum,
    read_manifest,
)
from swimdiff.datasets.packs.shards import LocalCopies, Shards
from swimdiff.errors import BandError, ConfigError, LayoutError, RasterError

__all__ = ['PackSource', 'is_pack']


def is_pack(root: str | Path) -> bool:
    """Whether a folder is a pack, finished or not."""
    return (Path(root) / MANIFEST).is_file()


class PackSource(PatchSource):
    """An archive in a pack.

    Args:
        root: The pack.
        kind: Data set that reads it; None: any.
        local_copy: Folder on a local disk that shards are copied to when first used.

    Attributes:
        stretched: Whether the pixels were stretched to uint8 when packed.

    Raises:
        LayoutError: The pack is not finished, damaged, or of another version.
        ConfigError: It was made of another data set.
    """

    def __init__(
        self, root: str | Path, kind: str | None = None, local_copy: str | None = None
    ) -> None:
        self.root = Path(root)
        self.manifest = made = read_manifest(self.root)
        if not made.complete:
            raise LayoutError(
                f'{self.root} is a pack that is not finished. Run the command that began it again: '
                'python tools/dataset_converters/pack.py SRC DST; it goes on where it stopped.'
            )
        if kind is not None and kind != made.kind:
            raise ConfigError(
                f'{self.root} is a pack of the data set {made.kind}, and the config reads it as '
                f'{kind}. Set type={made.kind!r}, or name a pack of {kind} (data_root).'
            )
        self.bands, self.dtype, self.unit = tuple(made.bands), made.dtype, made.unit
        declare_bands(self.bands)
        self.stretched = made.stretch is not None
        # After the stretch a dark pixel is 0 as well, and nobody can say which had no data.
        options = made.source.get('options') or {}
        self.zeros_are_nodata = not self.stretched and bool(options.get('zeros_are_nodata'))
        copies = LocalCopies(local_copy, made.digest()) if local_copy else None
        self.shards = Shards(self.root, made.shard_bytes, copies)
        self._shapes = [(height, width) for height, width in made.shapes]
        self._bytes, self._type = made.plane_bytes, np.dtype(made.dtype)
        self._runs: dict[tuple[str, ...], list[tuple[int, int]]] = {}

    def key(self) -> dict[str, Any]:
        """The content of the pack."""
        return dict(pack=self.manifest.digest())

    def build(self) -> PatchIndex:
        """The index of the pack, mapped; each of its files is compared with its checksum.

        Raises:
            LayoutError: It is damaged.
        """
        folder = self.root / 'index'
        for name, told in self.manifest.index.items():
            try:
                found = file_checksum(folder / name)
            except OSError as error:
                found = str(error)
            if found != told:
                raise LayoutError(
                    f'{folder / name} is damaged. Expected a file with the checksum {told}; found '
                    f'{found}. Copy the pack anew, or pack the archive again.'
                )
        return PatchIndex.load(folder)

    def names(self, bands: Any) -> tuple[str, ...]:
        """Names of the bands wanted; those that were not packed are an error of their own."""
        try:
            return super().names(bands)
        except BandError as error:
            raise BandError(
                f'{error} (It is a pack: bands are chosen when packing, --bands.)'
            ) from error

    def _runs_of(self, bands: Sequence[str]) -> list[tuple[int, int]]:
        """First and last position of planes that lie side by side."""
        places = sorted({self.bands.index(band) for band in bands})
        runs: list[tuple[int, int]] = []
        for place in places:
            if runs and runs[-1][1] == place - 1:
                runs[-1] = (runs[-1][0], place)
            else:
                runs.append((place, place))
        return runs

    def read(
        self, index: PatchIndex, rows: Sequence[int], bands: Sequence[str]
    ) -> list[list[np.ndarray]]:
        """Planes of some rows, each at the size of its band.

        Raises:
            LayoutError: A shard is missing.
            RasterError: A shard is cut off, or a plane is not what was packed.
        """
        wanted = tuple(bands)
        runs = self._runs.get(wanted)
        if runs is None:
            runs = self._runs[wanted] = self._runs_of(wanted)
        found = []
        for row in rows:
            planes: dict[str, np.ndarray] = {}
            for first, last in runs:
                planes.update(self._read_run(index, row, first, last))
            found.append([planes[band] for band in wanted])
        return found

    def _read_run(
        self, index: PatchIndex, row: int, first: int, last: int
    ) -> dict[str, np.ndarray]:
        try:
            return self._read_planes(index, row, first, last)
        except RasterError as error:
            if not self.shards.drop_copy(int(index.columns['shard'][row]), str(error)):
                raise
            return self._read_planes(index, row, first, last)

    def _read_planes(
        self, index: PatchIndex, row: int, first: int, last: int
    ) -> dict[str, np.ndarray]:
        columns = index.columns
        shard, start = int(columns['shard'][row]), int(columns['start'][row])
        lengths = columns['lengths'][row].tolist()
        sums = columns['checksums'][row].tolist()
        ends = list(accumulate(lengths, initial=0))
        at = ends[first]
        block = self.shards.read(shard, start + at, ends[last + 1] - at)
        planes = {}
        for i in range(first, last + 1):
            piece = block[ends[i] - at : ends[i + 1] - at]
            plane: np.ndarray | None
            if lengths[i] == self._bytes[i]:
                plane = piece.view(self._type).reshape(self._shapes[i])
            else:
                plane = decode_jpeg(piece, self._shapes[i])
            if plane is None or checksum(plane) != sums[i]:
                raise RasterError(
                    f'{self.shards.path(shard)} is damaged at bytes {start + ends[i]} to '
                    f'{start + ends[i + 1]}: band {self.bands[i]} of {index.paths[row]} does not '
                    f'have the checksum of what was packed. Copy the pack anew, or delete this '
                    'file and run pack.py again to write it anew.'
                )
            planes[self.bands[i]] = plane
        return planes

    def georeference(
        self, index: PatchIndex, row: int, band: str | None = None
    ) -> tuple[tuple[float, ...], str] | None:
        """Affine transform as GDAL has it and coordinate system (WKT) of a row, None without.

        Args:
            index: Index of the pack.
            row: Number of the row.
            band: The band whose pixels are counted; by default the finest.
        """
        system = int(index.columns['systems'][row])
        if system < 0:
            return None
        x, dx, rx, y, ry, dy = index.columns['transforms'][row].tolist()
        finest = max(self._shapes)
        height, width = finest if band is None else self._shapes[self.bands.index(band)]
        across, down = finest[1] / width, finest[0] / height
        transform = (x, dx * across, rx * down, y, ry * across, dy * down)
        return transform, self.manifest.systems[system]

    def row_date(self, index: PatchIndex, row: int) -> str:
        """Date of a row, as the archive that was packed told it."""
        return bytes(index.columns['dates'][row]).decode()

    def check_stretch(self, stretch: bool, stats: Any) -> None:
        """Refuse another stretch than the one that was applied when packing.

        Args:
            stretch: Whether pixels stretched to uint8 are wanted.
            stats: Statistics that hold the stretch.

        Raises:
            ConfigError: The pack holds pixels of another stretch.
        """
        made = self.manifest.stretch
        if made is None:
            return
        if not stretch:
            raise ConfigError(
                f'{self.root} was stretched to uint8 when packed (statistics {made["stats"]!r}), '
                'and the config asks for stretch=False. Pack the archive without --stretch.'
            )
        table = get_stats(stats)
        for name in ('low', 'high'):
            found = dict(zip(self.bands, table.select(name, self.bands), strict=True))
            if found != made[name]:
                raise ConfigError(
                    f'{self.root} was stretched by the statistics {made["stats"]!r} when packed, '
                    f'and the config names {table.name!r}, which differ. Set stats to those of the '
                    'pack, or pack the archive without --stretch.'
                )

    def check_options(self, given: Mapping[str, Any]) -> None:
        """Refuse options of the archive that differ from those that the pack was made with.

        Args:
            given: Options that the user gave, by name; what the pack does not know is not judged.

        Raises:
            ConfigError: One differs.
        """
        source = self.manifest.source
        told = {**source.get('options', {})}
        sizes = source.get('sizes', {})
        told.update({name: sizes[name] for name in ('patch', 'stride') if name in sizes})
        if 'patch_size' in given:
            told['patch_size'] = self._patch_size(given['patch_size'])
        for name, value in given.items():
            wanted = json.loads(json.dumps(value))
            if name in told and told[name] != wanted:
                raise ConfigError(
                    f'{name}={value!r} in the config, and {self.root} was packed with '
                    f'{name}={told[name]!r}: a pack holds the patches as they were cut. Set '
                    f'{name} to that of the pack or leave it out, or pack the archive again.'
                )

    def _patch_size(self, wanted: int) -> int:
        """Side of the 10 m bands: the one wanted, if the finest band is as it would then be."""
        side = max(self._shapes)[0]
        metres = SENTINEL2[self.bands[self._shapes.index(max(self._shapes))]].resolution_m
        return wanted if wanted * 10 // metres == side else side * metres // 10

    def about(self) -> dict[str, Any]:
        """What the pack holds, for people."""
        made = self.manifest
        return dict(
            kind=made.kind,
            rows=len(self.build()),
            bands=list(made.bands),
            pixels=made.dtype,
            stretch=made.stretch['stats'] if made.stretch else None,
            codec=made.codec,
            shards=made.shards,
            bytes=sum(made.shard_bytes),
            unreadable=len(made.unreadable),
        )

"""Packs: archives written once into a few large files, read by position.

A pack is a folder with ``pack.json``; ``tools/dataset_converters/pack.py`` makes one. Reading needs
no GDAL. Every plane is compared with its checksum each time it is read, so that damage is an error
and never a sample. The layout of the files is in :mod:`swimdiff.datasets.packs.format`.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import SENTINEL2, get_stats
from swimdiff.datasets.index import Georeference, PatchIndex, PatchSource, Tables
from swimdiff.datasets.packs.codecs import decode_jpeg
from swimdiff.datasets.packs.format import (
    MANIFEST,
    checksum,
    file_checksum,
    read_manifest,
)
from swimdiff.datasets.packs.shards import Shards
from swimdiff.errors import BandError, ConfigError, LayoutError, RasterError
from swimdiff.registry import SOURCES

__all__ = ['PackSource', 'is_pack', 'open_source']


def is_pack(root: str | Path) -> bool:
    """Return whether a folder is a pack, finished or not."""
    return (Path(root) / MANIFEST).is_file()


def open_source(
    data_root: str | Path,
    described: Mapping[str, Any],
    kind: str,
    index_cache: str | Path | None = 'auto',
) -> PatchSource:
    """Open an archive, or a pack of it where the folder is one.

    Args:
        data_root: Folder of the archive or of the pack.
        described: Config of the archive's source, a component in ``SOURCES``, without
            ``data_root``.
        kind: Name of the data set that reads it; a pack of another one is refused.
        index_cache: Where the index of an archive is kept: ``auto``, a folder, or None for
            nowhere. A pack brings its own.

    Raises:
        DatasetNotFoundError: The folder is not there.
        LayoutError: The archive or the pack is not as it should be.
        ConfigError: A pack that was made with other options or of another data set.
    """
    root = str(Path(data_root).expanduser())
    if not is_pack(root):
        source: PatchSource = SOURCES.build(dict(described, data_root=root))
        source.index_cache = index_cache
        return source
    options = dict(described)
    layout = SOURCES.get(options.pop('type'))
    pack = PackSource(root, kind)
    pack.check_options(layout.list_packed_options(**options))
    return pack


class PackSource(PatchSource):
    """Read an archive in a pack.

    Args:
        root: The pack.
        kind: Data set that reads it; None: any.

    Raises:
        LayoutError: The pack is not finished, damaged, or of another version.
        ConfigError: It was made of another data set.
    """

    def __init__(self, root: str | Path, kind: str | None = None) -> None:
        self.root = Path(root)
        self.manifest = manifest = read_manifest(self.root)
        if not manifest.complete:
            raise LayoutError(
                f'{self.root} is a pack that is not finished. Run the command that began it again: '
                'python tools/dataset_converters/pack.py SRC DST; it goes on where it stopped.'
            )
        if kind is not None and kind != manifest.kind:
            raise ConfigError(
                f'{self.root} is a pack of the data set {manifest.kind}, and the config reads it '
                f'as {kind}. Set type={manifest.kind!r}, or name a pack of {kind} (data_root).'
            )
        self.bands, self.dtype, self.unit = tuple(manifest.bands), manifest.dtype, manifest.unit
        # After a stretch a dark pixel is 0 as well, and nobody can say which had no data.
        options = manifest.source.get('options') or {}
        self.zeros_are_nodata = manifest.stretch is None and bool(options.get('zeros_are_nodata'))
        self.shards = Shards(self.root, manifest.shard_bytes)
        self._shapes = [(height, width) for height, width in manifest.shapes]
        self._bytes, self._type = manifest.plane_bytes, np.dtype(manifest.dtype)
        self._runs: dict[tuple[str, ...], list[tuple[int, int]]] = {}

    def key(self) -> dict[str, Any]:
        """Return the content of the pack."""
        return dict(pack=self.manifest.digest())

    def _open_index(self) -> PatchIndex:
        return self.build()

    def build(self) -> PatchIndex:
        """Map the index of the pack; each of its files is compared with its checksum.

        Raises:
            LayoutError: It is damaged.
        """
        folder = self.root / 'index'
        for name, expected_checksum in self.manifest.index.items():
            try:
                checksum_found = file_checksum(folder / name)
            except OSError as error:
                checksum_found = str(error)
            if checksum_found != expected_checksum:
                raise LayoutError(
                    f'{folder / name} is damaged. Expected a file with the checksum '
                    f'{expected_checksum}; found {checksum_found}. Copy the pack again, or pack '
                    'the archive again.'
                )
        return PatchIndex.load(folder)

    def names(self, bands: Any) -> tuple[str, ...]:
        """Return the names of the bands wanted; refuse those that were not packed."""
        try:
            return super().names(bands)
        except BandError as error:
            raise BandError(
                f'{error} (It is a pack: bands are chosen when packing, --bands.)'
            ) from error

    def _runs_of(self, bands: Sequence[str]) -> list[tuple[int, int]]:
        """Return first and last position of planes that lie side by side."""
        places = sorted({self.bands.index(band) for band in bands})
        runs: list[tuple[int, int]] = []
        for place in places:
            if runs and runs[-1][1] == place - 1:
                runs[-1] = (runs[-1][0], place)
            else:
                runs.append((place, place))
        return runs

    def read(self, rows: Sequence[int], bands: Sequence[str]) -> list[list[np.ndarray]]:
        """Read planes of some rows, each at the size of its band.

        Raises:
            LayoutError: A shard is missing.
            RasterError: A shard is cut off, or a plane is not what was packed.
        """
        band_names = tuple(bands)
        runs = self._runs.get(band_names)
        if runs is None:
            runs = self._runs[band_names] = self._runs_of(band_names)
        images = []
        for row in rows:
            planes: dict[str, np.ndarray] = {}
            for first, last in runs:
                planes.update(self._read_planes(row, first, last))
            images.append([planes[band] for band in band_names])
        return images

    def _read_planes(self, row: int, first: int, last: int) -> dict[str, np.ndarray]:
        columns = self.index.columns
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
                    f'{start + ends[i + 1]}: band {self.bands[i]} of {self.index.paths[row]} does '
                    f'not have the checksum of what was packed. Copy the pack again, or delete '
                    'this file and run pack.py again to write it again.'
                )
            planes[self.bands[i]] = plane
        return planes

    def georeference(self, row: int, band: str | None = None) -> Georeference | None:
        """Return affine transform and coordinate system of a row, None without.

        Args:
            row: Number of the row.
            band: The band whose pixels are counted; by default the finest.
        """
        columns = self.index.columns
        system = int(columns['systems'][row])
        if system < 0:
            return None
        x, dx, rx, y, ry, dy = columns['transforms'][row].tolist()
        finest = max(self._shapes)
        height, width = finest if band is None else self._shapes[self.bands.index(band)]
        across, down = finest[1] / width, finest[0] / height
        transform = (x, dx * across, rx * down, y, ry * across, dy * down)
        return transform, self.manifest.systems[system]

    def row_date(self, row: int) -> str:
        """Return the date of a row, as the archive that was packed gave it."""
        return bytes(self.index.columns['dates'][row]).decode()

    def make_tables(self, stats: Any, bands: Sequence[str]) -> Tables | None:
        """Return the tables of the stretch; None where the pack holds stretched pixels.

        Packs of earlier versions may hold such pixels.

        Raises:
            ConfigError: They were stretched otherwise.
        """
        pack_stretch = self.manifest.stretch
        if pack_stretch is None:
            return super().make_tables(stats, bands)
        if stats is None:
            raise ConfigError(
                f'{self.root} was stretched to uint8 when packed (statistics '
                f'{pack_stretch["stats"]!r}), and the config asks for stretch=False. Pack the '
                'archive again.'
            )
        table = get_stats(stats)
        for name in ('low', 'high'):
            limits_by_band = dict(zip(self.bands, table.select(name, self.bands), strict=True))
            if limits_by_band != pack_stretch[name]:
                raise ConfigError(
                    f'{self.root} was stretched by the statistics {pack_stretch["stats"]!r} when '
                    f'packed, and the config names {table.name!r}, which differ. Set stats to '
                    'those of the pack, or pack the archive again.'
                )
        return None

    def check_options(self, asked: Mapping[str, Any]) -> None:
        """Refuse options of the archive that differ from those of the pack.

        Args:
            asked: Options by name; what the pack does not know is not judged.

        Raises:
            ConfigError: One differs.
        """
        source = self.manifest.source
        packed_options = {**source.get('options', {})}
        sizes = source.get('sizes', {})
        packed_options.update({name: sizes[name] for name in ('patch', 'stride') if name in sizes})
        if 'patch_size' in asked:
            packed_options['patch_size'] = self._patch_size(asked['patch_size'])
        layout = source.get('layout')
        if asked.get('layout', layout) != layout:
            raise ConfigError(
                f'{self.root} is a pack of {layout}, and the config asks for {asked["layout"]}. '
                'Set the options of the data set (level) to those of the pack, or name a pack of '
                f'{asked["layout"]} (data_root).'
            )
        for name, value in asked.items():
            wanted_value = json.loads(json.dumps(value))
            if name in packed_options and packed_options[name] != wanted_value:
                raise ConfigError(
                    f'{name}={value!r} in the config, and {self.root} was packed with '
                    f'{name}={packed_options[name]!r}: a pack holds the patches as they were cut. '
                    f'Set {name} to that of the pack or leave it out, or pack the archive again.'
                )

    def _patch_size(self, wanted: int) -> int:
        """Return the side of the 10 m bands: the one wanted, if it fits the finest band."""
        side = max(self._shapes)[0]
        metres = SENTINEL2[self.bands[self._shapes.index(max(self._shapes))]].resolution_m
        return wanted if wanted * 10 // metres == side else side * metres // 10

    def about(self) -> dict[str, Any]:
        """Return what the pack holds, for people."""
        manifest = self.manifest
        return dict(
            kind=manifest.kind,
            rows=len(self.index),
            bands=list(manifest.bands),
            pixels=manifest.dtype,
            stretch=manifest.stretch['stats'] if manifest.stretch else None,
            codec=manifest.codec,
            shards=manifest.shards,
            bytes=sum(manifest.shard_bytes),
            unreadable=len(manifest.unreadable),
        )

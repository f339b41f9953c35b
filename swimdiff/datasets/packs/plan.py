"""What goes into a pack: options, and the manifest that follows from them and the archive."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from swimdiff.bands import get_stats
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.datasets.index.patch_index import PatchIndex
from swimdiff.datasets.index.source import PatchSource
from swimdiff.datasets.packs.format import CODECS, HEADER, Manifest
from swimdiff.datasets.packs.source import PackSource
from swimdiff.datasets.packs.writer import Packer
from swimdiff.errors import ConfigError, LayoutError, RasterError

__all__ = ['PackOptions', 'make_plan']

#: Patches encoded to learn how long records are, where that differs.
_SAMPLE = 16


@dataclass(frozen=True)
class PackOptions:
    """How a pack is made.

    Args:
        bands: Bands by name; all of the archive by default. They are kept in its order.
        stretch: Statistics to stretch by, to uint8; None keeps the pixels as they are.
        codec: ``raw``, or ``jpeg`` for archives of 8-bit JPEG GeoTIFFs, one file a band.
        shard_bytes: Length of a shard, about.
        workers: Processes.
        max_unreadable: Share of the rows that may be left out as they cannot be read.

    Raises:
        ConfigError: Options that do not fit together.
    """

    bands: Sequence[str] | None = None
    stretch: Any = None
    codec: str = 'raw'
    shard_bytes: int = 1 << 30
    workers: int = 1
    max_unreadable: float = 0.0

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f'codec={self.codec!r}: expected one of {CODECS}.')
        if self.codec == 'jpeg' and self.stretch is not None:
            raise ConfigError(
                "codec='jpeg' keeps the streams of the archive's files, and a stretch changes the "
                'pixels. Choose one of them.'
            )
        if self.shard_bytes < 1:
            raise ConfigError(f'shard size {self.shard_bytes}: expected a number of bytes above 0.')
        if not 0 <= self.max_unreadable < 1:
            raise ConfigError(f'max_unreadable={self.max_unreadable}: expected a share below 1.')


def _fingerprint(index: PatchIndex) -> str:
    hasher = xxhash.xxh3_64()
    for column in (index.locations, index.paths):
        hasher.update(np.ascontiguousarray(column.data).data)
        hasher.update(np.ascontiguousarray(column.offsets).data)
    hasher.update(np.ascontiguousarray(index.first).data)
    return hasher.hexdigest()


def _key(source: PatchSource) -> dict[str, Any]:
    """Options of an archive; a pack of a pack also keeps those of the first."""
    made = source.manifest.source if isinstance(source, PackSource) else {}
    return {**made, **source.key()}


def make_plan(dataset: ScenePatches, options: PackOptions) -> tuple[Manifest, float]:
    """The manifest of the pack to be made, and the bytes of a record (about)."""
    source, index = dataset.source, dataset.index
    chosen = source.names(options.bands)
    bands = tuple(band for band in source.bands if band in chosen)
    stretch, dtype = None, source.dtype
    if options.stretch is not None:
        if getattr(source, 'stretched', False):
            raise ConfigError(f'{source.root} was stretched when it was packed.')
        table, dtype = get_stats(options.stretch), 'uint8'
        if source.unit is not None and table.unit != source.unit:
            raise ConfigError(
                f'The statistics {table.name!r} are of {table.unit!r}, the pixels of {source.root} '
                f'are {source.unit!r}. Name statistics of that unit (--stretch).'
            )
        stretch = dict(
            stats=table.name,
            low=dict(zip(bands, table.select('low', bands), strict=True)),
            high=dict(zip(bands, table.select('high', bands), strict=True)),
        )
    elif isinstance(source, PackSource) and source.manifest.stretch:
        was = source.manifest.stretch
        low, high = ({band: was[name][band] for band in bands} for name in ('low', 'high'))
        stretch = dict(stats=was['stats'], low=low, high=high)
    made = Manifest(
        kind=type(dataset).__name__,
        source=_key(source),
        fingerprint=_fingerprint(index),
        bands=bands,
        shapes=_shapes(source, index, bands, options.max_unreadable > 0),
        dtype=dtype,
        unit=source.unit,
        codec=options.codec,
        stretch=stretch,
        rows=len(index),
        shard_rows=1,
    )
    record = float(sum(made.plane_bytes))
    if options.codec != 'raw':
        record = _encoded_bytes(Packer(Path(), made, source, index), len(index), record)
    rows = max(1, int((options.shard_bytes - HEADER) // record))
    return dataclasses.replace(made, shard_rows=min(rows, len(index))), record


def _shapes(
    source: PatchSource, index: PatchIndex, bands: Sequence[str], skip: bool
) -> list[tuple[int, int]]:
    """Sizes of the planes of the first row that can be read."""
    for row in range(len(index)):
        try:
            planes = source.read(index, [row], bands)[0]
        except (LayoutError, RasterError):
            if not skip or row == len(index) - 1:
                raise
        else:
            return [(plane.shape[0], plane.shape[1]) for plane in planes]
    raise AssertionError('unreachable: an index without rows was refused')


def _encoded_bytes(packer: Packer, rows: int, otherwise: float) -> float:
    """Mean length of the encoded records of some rows spread over the archive."""
    lengths = []
    for row in np.unique(np.linspace(0, rows - 1, _SAMPLE).round().astype(int)).tolist():
        try:
            lengths.append(sum(packer.lengths(row)))
        except (LayoutError, RasterError):
            continue  # met again when it is packed
    return sum(lengths) / len(lengths) if lengths else otherwise

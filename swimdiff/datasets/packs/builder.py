"""Making a pack of an archive: what goes into it, going on after a stop, finishing."""

import dataclasses
import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from swimdiff.datasets.index import PatchIndex, PatchSource
from swimdiff.datasets.packs.finish import finish
from swimdiff.datasets.packs.format import (
    CODECS,
    HEADER,
    MANIFEST,
    Manifest,
    file_checksum,
    read_manifest,
    shard_name,
)
from swimdiff.datasets.packs.parts import Part, read_part
from swimdiff.datasets.packs.pool import run_parallel
from swimdiff.datasets.packs.source import is_pack
from swimdiff.datasets.packs.writer import DiskFull, Packer
from swimdiff.errors import (
    ConfigError,
    DataError,
    LayoutError,
    RasterError,
    UnreadableSamplesError,
)
from swimdiff.files import hold_lock

__all__ = ['PackOptions', 'make_pack']

#: Seconds that a lock is waited for: workers of a run that was killed end within one.
_PATIENCE = 3.0
#: Patches encoded to learn how long records are, where that differs.
_SAMPLE = 16


@dataclass(frozen=True)
class PackOptions:
    """Describe how a pack is made.

    Args:
        bands: Bands by name; all of the archive by default. They are kept in its order.
        codec: ``raw``, or ``jpeg`` for archives of 8-bit JPEG GeoTIFFs, one file per band.
        shard_bytes: Length of a shard, about.
        workers: Processes.
        max_unreadable: Share of the rows that may be left out as they cannot be read.

    Raises:
        ConfigError: Options that do not fit together.
    """

    bands: Sequence[str] | None = None
    codec: str = 'raw'
    shard_bytes: int = 1 << 30
    workers: int = 1
    max_unreadable: float = 0.0

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f'codec={self.codec!r}: expected one of {CODECS}.')
        if self.shard_bytes < 1:
            raise ConfigError(f'shard size {self.shard_bytes}: expected a number of bytes above 0.')
        if not 0 <= self.max_unreadable < 1:
            raise ConfigError(f'max_unreadable={self.max_unreadable}: expected a share below 1.')


def make_pack(source: PatchSource, kind: str, target: str | Path, options: PackOptions) -> Manifest:
    """Pack an archive, or go on with a pack that is not finished.

    Args:
        source: The archive.
        kind: Name of the data set that will read the pack.
        target: Folder of the pack.
        options: How it is made.

    Returns:
        The manifest of the finished pack.

    Raises:
        ConfigError: The folder holds a pack made otherwise, or something else.
        LayoutError: A file of the archive is missing, or the archive changed in between.
        RasterError: A file of the archive is damaged.
        DataError: The disk is full, or another process writes to the folder.
    """
    root = Path(target)
    _check_source(source, root, options)
    root.mkdir(parents=True, exist_ok=True)
    with _only_writer(root) as alone:
        old = read_manifest(root) if is_pack(root) else None
        if old is None:
            _check_empty(root)
        if alone:
            _remove_leftovers(root)
        plan, record = _make_plan(source, kind, options)
        if old is not None:
            _check_same(root, old, plan)
        packer = Packer(root, plan, source, options.max_unreadable > 0)
        if old is not None and old.complete and _whole(root, old):
            what = f'Comparing with {source.root}'
            run_parallel(packer.check, range(plan.shards), options.workers, what)
            return old
        _check_room(root, plan, record)
        try:
            return _write(packer, options)
        except (DiskFull, OSError) as error:
            full = isinstance(error, DiskFull) or getattr(error, 'errno', 0) == errno.ENOSPC
            if not full:
                raise
            missing_bytes = _bytes_to_come(root, plan, record) - shutil.disk_usage(root).free
            raise DataError(
                f'The disk of {root} is full; about {_gb(max(missing_bytes, 0))} are missing. Make '
                'room and run the same command again: finished shards are kept.'
            ) from error


def _write(packer: Packer, options: PackOptions) -> Manifest:
    """Write the shards that are missing, then the index and the manifest."""
    root, plan, unreadable = packer.root, packer.manifest, 0
    most = options.max_unreadable * plan.rows

    def count(part: Part) -> None:
        nonlocal unreadable
        unreadable += len(part.unreadable)
        if unreadable > most:
            raise UnreadableSamplesError(
                f'{unreadable} rows cannot be read, and {most:g} may be left out '
                f'(--max-unreadable). The last one: {part.unreadable[-1]}'
            )

    (root / 'parts').mkdir(exist_ok=True)
    plan.write(root)
    what = f'Packing {packer.source.root}'
    parts = run_parallel(packer.write, range(plan.shards), options.workers, what, count)
    return finish(root, plan, packer.source.index, parts)


def _make_plan(source: PatchSource, kind: str, options: PackOptions) -> tuple[Manifest, float]:
    """Return the manifest of the pack to be made, and the bytes of a record (about)."""
    chosen_bands = source.names(options.bands)
    bands = tuple(band for band in source.bands if band in chosen_bands)
    rows = len(source.index)
    plan = Manifest(
        kind=kind,
        source=source.key(),
        fingerprint=_fingerprint(source.index),
        bands=bands,
        shapes=_shapes(source, bands, options.max_unreadable > 0),
        dtype=source.dtype,
        unit=source.unit,
        codec=options.codec,
        stretch=None,
        rows=rows,
        shard_rows=1,
    )
    record = float(sum(plan.plane_bytes))
    if options.codec != 'raw':
        record = _encoded_bytes(Packer(Path(), plan, source), rows, record)
    shard_rows = max(1, int((options.shard_bytes - HEADER) // record))
    return dataclasses.replace(plan, shard_rows=min(shard_rows, rows)), record


def _fingerprint(index: PatchIndex) -> str:
    hasher = xxhash.xxh3_64()
    for column in (index.locations, index.paths):
        hasher.update(np.ascontiguousarray(column.data).data)
        hasher.update(np.ascontiguousarray(column.offsets).data)
    hasher.update(np.ascontiguousarray(index.first).data)
    return hasher.hexdigest()


def _shapes(source: PatchSource, bands: Sequence[str], skip: bool) -> list[tuple[int, int]]:
    """Return the sizes of the planes of the first row that can be read."""
    last = len(source.index) - 1
    for row in range(last + 1):
        try:
            planes = source.read([row], bands)[0]
        except (LayoutError, RasterError):
            if not skip or row == last:
                raise
        else:
            return [(plane.shape[0], plane.shape[1]) for plane in planes]
    raise AssertionError('unreachable: an index without rows was refused')


def _encoded_bytes(packer: Packer, rows: int, otherwise: float) -> float:
    """Return the mean length of the encoded records of some rows spread over the archive."""
    lengths = []
    for row in np.unique(np.linspace(0, rows - 1, _SAMPLE).round().astype(int)).tolist():
        try:
            lengths.append(sum(packer.lengths(row)))
        except (LayoutError, RasterError):
            continue  # met again when it is packed
    return sum(lengths) / len(lengths) if lengths else otherwise


def _check_source(source: PatchSource, root: Path, options: PackOptions) -> None:
    if is_pack(source.root):
        raise ConfigError(
            f'{source.root} is a pack already. Name the archive that it was made of, or copy the '
            'pack: it gives any of its bands.'
        )
    if source.draws_windows:
        raise ConfigError(
            f"{source.root}: windows='random' cuts other patches at each access, which cannot be "
            "packed. Choose windows='grid'."
        )
    if options.codec == 'jpeg' and source.dtype != 'uint8':
        raise ConfigError(
            f"codec='jpeg' is for archives of uint8 JPEG files; {source.root} holds {source.dtype} "
            "pixels. Choose codec='raw'."
        )
    if not len(source.index):
        raise LayoutError(f'{source.root} has no patches to pack.')
    inside, outside = root.resolve(), source.root.resolve()
    if inside == outside or outside in inside.parents:
        raise ConfigError(f'{root} lies in the archive {source.root}. Name a folder outside of it.')


def _check_empty(root: Path) -> None:
    parts = root / 'parts'
    ours = {_LOCK} | {path.name for path in _leftovers(root)}
    if parts.is_dir() and {path.name for path in _leftovers(parts)} == set(os.listdir(parts)):
        ours.add(parts.name)
    others = sorted(set(os.listdir(root)) - ours)
    if others:
        raise ConfigError(
            f'{root} is no pack and not empty: it holds {", ".join(others[:5])}. Name a new folder.'
        )


def _leftovers(folder: Path) -> list[Path]:
    """Files and folders that a killed run had begun to write."""
    return [folder / name for name in os.listdir(folder) if _BEGUN.fullmatch(name)]


def _remove_leftovers(root: Path) -> None:
    for folder in (root, root / 'parts'):
        for path in _leftovers(folder) if folder.is_dir() else ():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _check_same(root: Path, old: Manifest, plan: Manifest) -> None:
    old_recipe, new_recipe = old.recipe(), plan.recipe()
    different = [name for name in old_recipe if old_recipe[name] != new_recipe[name]]
    if not different:
        return
    if 'fingerprint' in different:
        raise ConfigError(
            f'{root} was packed from an archive of other patches ({old.rows} of them; now there '
            f'are {plan.rows}). Name a new folder.'
        )
    found_text = '; '.join(f'{name}: {_short(old_recipe[name])}' for name in different)
    expected_text = '; '.join(f'{name}: {_short(new_recipe[name])}' for name in different)
    raise ConfigError(
        f'{root} holds a pack made otherwise. Expected {expected_text}; found {found_text}. Name a '
        'new folder, or repeat the options.'
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f'{text[:77]}...'


def _whole(root: Path, made: Manifest) -> bool:
    """Whether every shard of a finished pack is there at its length, and its index undamaged."""
    for number, size in enumerate(made.shard_bytes):
        path = root / shard_name(number)
        if not path.is_file() or path.stat().st_size != size:
            return False
    try:
        checksums = made.index.items()
        return all(
            file_checksum(root / 'index' / name) == expected_checksum
            for name, expected_checksum in checksums
        )
    except OSError:
        return False


_LOCK = '.lock'
#: Names that files and folders have until they are whole.
_BEGUN = re.compile(
    r'\.(pack\.json|index|shard-\d+\.np[yz])\.(?:[0-9a-f]{32}|partial|[^.]+-\d+\.partial)'
)


@contextmanager
def _only_writer(root: Path) -> Iterator[bool]:
    """Yield whether the file system could tell that there is no other writer."""
    with ExitStack() as lock_stack:
        try:
            lock = lock_stack.enter_context(hold_lock(root / _LOCK, _PATIENCE))
        except OSError:  # a file system without locks
            yield False
            return
        if lock is None:
            raise DataError(
                f'Another process is packing into {root}. Wait for it, or name another folder.'
            )
        yield True


def _bytes_to_come(root: Path, plan: Manifest, record: float) -> float:
    """Bytes that are still to be written."""
    packed_counts = [len(plan.rows_of(n)) for n in range(plan.shards) if read_part(root, n)]
    # Twice what a row takes in the index: in the parts, and in the index itself.
    columns = 2 * plan.rows * (8 * len(plan.bands) + 128)
    return (plan.rows - sum(packed_counts)) * record + columns


def _check_room(root: Path, plan: Manifest, record: float) -> None:
    needed_bytes, free_bytes = _bytes_to_come(root, plan, record), shutil.disk_usage(root).free
    if needed_bytes > free_bytes:
        has_begun = (root / MANIFEST).exists()
        raise DataError(
            f'{root}: the pack needs {_gb(needed_bytes)}{" more" if has_begun else ""}, and '
            f'{_gb(free_bytes)} are free on that disk: {_gb(needed_bytes - free_bytes)} are '
            'missing. Make room, choose fewer --bands, or another --codec or folder.'
        )


def _gb(count: float) -> str:
    return f'{count / 1e9:.2f} GB' if count >= 1e9 else f'{count / 1e6:.2f} MB'

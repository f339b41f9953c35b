"""Making a pack of an archive: what goes into it, going on after a stop, finishing."""

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.datasets.index.patch_index import PatchIndex
from swimdiff.datasets.index.source import PatchSource
from swimdiff.datasets.packs.finish import finish
from swimdiff.datasets.packs.format import (
    MANIFEST,
    Manifest,
    file_checksum,
    read_manifest,
    shard_name,
)
from swimdiff.datasets.packs.parts import read_part
from swimdiff.datasets.packs.plan import PackOptions, make_plan
from swimdiff.datasets.packs.pool import run_parallel
from swimdiff.datasets.packs.source import PackSource, is_pack
from swimdiff.datasets.packs.writer import DiskFull, Packer
from swimdiff.errors import ConfigError, DataError, LayoutError

__all__ = ['make_pack']

#: Seconds that a lock is waited for: workers of a run that was killed end within one.
_PATIENCE = 3.0


def make_pack(dataset: ScenePatches, target: str | Path, options: PackOptions) -> Manifest:
    """Pack an archive, or go on with a pack that is not finished.

    Args:
        dataset: The archive as a data set.
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
    dataset.full_init()
    source, index, root = dataset.source, dataset.index, Path(target)
    _check_source(source, index, root, options)
    root.mkdir(parents=True, exist_ok=True)
    with _only_writer(root) as alone:
        old = read_manifest(root) if is_pack(root) else None
        if old is None:
            _check_empty(root)
        if alone:
            _remove_leftovers(root)
        plan, record = make_plan(dataset, options)
        if old is not None:
            _check_same(root, old, plan)
        skip = options.max_unreadable > 0
        packer = Packer(root, plan, source, index, skip)
        if old is not None and old.complete and _whole(root, old):
            what = f'Comparing with {source.root}'
            run_parallel(packer.check, range(plan.shards), options.workers, plan.rows, what)
            return old
        _check_room(root, plan, record)
        try:
            (root / 'parts').mkdir(exist_ok=True)
            plan.write(root)
            parts = run_parallel(
                packer.write,
                range(plan.shards),
                options.workers,
                plan.rows,
                f'Packing {source.root}',
                options.max_unreadable * plan.rows,
            )
            return finish(root, plan, index, parts)
        except (DiskFull, OSError) as error:
            full = isinstance(error, DiskFull) or getattr(error, 'errno', 0) == errno.ENOSPC
            if not full:
                raise
            missing = _bytes_to_come(root, plan, record) - shutil.disk_usage(root).free
            raise DataError(
                f'The disk of {root} is full; about {_gb(max(missing, 0))} are missing. Make room '
                'and run the same command again: finished shards are kept.'
            ) from error


def _check_source(source: PatchSource, index: PatchIndex, root: Path, options: PackOptions) -> None:
    windows = getattr(getattr(source, 'options', source), 'windows', 'grid')
    if windows == 'random':
        raise ConfigError(
            f"{source.root}: windows='random' cuts other patches at each access, which cannot be "
            "packed. Choose windows='grid'."
        )
    if options.codec == 'jpeg' and (isinstance(source, PackSource) or source.dtype != 'uint8'):
        raise ConfigError(
            f"codec='jpeg' is for archives of uint8 JPEG files; {source.root} holds {source.dtype} "
            "pixels or is a pack. Choose codec='raw'."
        )
    if not len(index):
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
    was, wanted = old.recipe(), plan.recipe()
    different = [name for name in was if was[name] != wanted[name]]
    if not different:
        return
    if 'fingerprint' in different:
        raise ConfigError(
            f'{root} was packed from an archive of other patches ({old.rows} of them; now there '
            f'are {plan.rows}). Name a new folder.'
        )
    found = '; '.join(f'{name}: {_short(was[name])}' for name in different)
    asked = '; '.join(f'{name}: {_short(wanted[name])}' for name in different)
    raise ConfigError(
        f'{root} holds a pack made otherwise. Expected {asked}; found {found}. Name a new folder, '
        'or repeat the options.'
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
        told = made.index.items()
        return all(file_checksum(root / 'index' / name) == found for name, found in told)
    except OSError:
        return False


_LOCK = '.lock'
#: Names that files and folders have until they are whole.
_BEGUN = re.compile(r'\.(pack\.json|index|shard-\d+\.npz)\.[0-9a-f]{32}|\.shard-\d+\.npy\.partial')


@contextmanager
def _only_writer(root: Path) -> Iterator[bool]:
    """Yields whether the file system could tell that there is no other writer."""
    with open(root / _LOCK, 'w') as file:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise DataError(
                        f'Another process is packing into {root}. Wait for it, or name another '
                        'folder.'
                    ) from error
                time.sleep(0.1)
            except OSError:
                locked = False  # a file system without locks
                break
        yield locked


def _bytes_to_come(root: Path, plan: Manifest, record: float) -> float:
    """Bytes that are still to be written."""
    done = [len(plan.rows_of(n)) for n in range(plan.shards) if read_part(root, n)]
    # Twice what a row takes in the index: in the parts, and in the index itself.
    columns = 2 * plan.rows * (8 * len(plan.bands) + 128)
    return (plan.rows - sum(done)) * record + columns


def _check_room(root: Path, plan: Manifest, record: float) -> None:
    needed, free = _bytes_to_come(root, plan, record), shutil.disk_usage(root).free
    if needed > free:
        begun = (root / MANIFEST).exists()
        raise DataError(
            f'{root}: the pack needs {_gb(needed)}{" more" if begun else ""}, and {_gb(free)} are '
            f'free on that disk: {_gb(needed - free)} are missing. Make room, choose fewer '
            '--bands, or another --codec or folder.'
        )


def _gb(count: float) -> str:
    return f'{count / 1e9:.2f} GB' if count >= 1e9 else f'{count / 1e6:.2f} MB'

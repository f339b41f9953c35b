"""Keeping the index of an archive, and noticing that the archive changed.

The check is by time of modification: of the root always, of the folders below it (in random order)
for half a second at most. Adding or deleting anything changes the time of its folder.
"""

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.patch_index import PatchIndex
from swimdiff.errors import LayoutError

__all__ = ['cache_folder', 'cached_array', 'cached_index', 'digest']

#: Longest time spent on looking for changes when an index is opened.
CHECK_SECONDS = 0.5


def digest(key: Any) -> str:
    """Short name of anything that JSON can write."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder(root: Path, where: str | Path | None = 'auto') -> Path | None:
    """Folder for what is remembered of an archive, made if need be.

    Args:
        root: The archive.
        where: ``auto``: ``.swimdiff`` beside the data, or the user's cache folder where the data
            may not be written to. A path: there. None: nothing is remembered.
    """
    if where is None:
        return None
    if where != 'auto':
        folder = Path(where) / digest(str(root.resolve()))
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    home = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    user = Path(home).expanduser() / 'swimdiff' / 'indexes' / digest(str(root.resolve()))
    for folder in (root / '.swimdiff', user):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Ranks that start together build the index once; the lock dies with its process."""
    with open(folder / '.lock', 'w') as file:
        # A file system without locks: all build, and the last one stays.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _changed(index: PatchIndex, root: Path) -> str | None:
    """The first watched path whose time differs, or None."""
    count = len(index.watched)
    order = np.concatenate([[0], 1 + np.random.default_rng().permutation(max(count - 1, 0))])
    end = time.monotonic() + CHECK_SECONDS
    for i in order[:count].tolist():
        name = index.watched[i]
        try:
            if os.stat(os.path.join(root, name)).st_mtime_ns != index.times[i]:
                return name or '.'
        except OSError:
            return name
        if time.monotonic() > end:
            break
    return None


def cached_index(
    root: Path, key: Any, build: Callable[[], PatchIndex], folder: Path | None
) -> tuple[PatchIndex, Path | None]:
    """The index of an archive, from the cache where that is still true.

    Args:
        root: The archive.
        key: What else decides the content of the index, for JSON.
        build: Makes the index.
        folder: From :func:`cache_folder`; None makes it anew each time.

    Returns:
        The index, and its folder in the cache.
    """
    if folder is None:
        return build(), None
    entry = folder / f'index-{digest(key)}'
    with _one_at_a_time(folder):
        found = _open(entry, root)
        if found is None:
            build().save(entry, key=key)
            # Mapped from the file like any later time, instead of a private copy.
            found = PatchIndex.load(entry)
    return found, entry


def _open(entry: Path, root: Path) -> PatchIndex | None:
    if not entry.is_dir():
        return None
    try:
        index = PatchIndex.load(entry)
    except LayoutError as error:
        print_log(f'The index is made anew: {error}', logger='current', level=logging.WARNING)
        return None
    changed = _changed(index, root)
    if changed is not None:
        print_log(f'{root} changed ({changed}): its index is made anew', logger='current')
        return None
    return index


def cached_array(entry: Path | None, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array derived from an index, kept beside it.

    Args:
        entry: Folder of the index in the cache, or None.
        name: File name without suffix; it must tell everything the array depends on.
        make: Makes the array.
    """
    path = None if entry is None else entry / f'{name}.npy'
    if path is not None and path.exists():
        try:
            return np.asarray(np.load(path, mmap_mode='r', allow_pickle=False))
        except (OSError, ValueError):  # cut off while written: made anew
            pass
    array = make()
    if path is not None:
        partial = path.with_name(f'.{path.name}.{os.getpid()}')
        with open(partial, 'wb') as file:
            np.save(file, array, allow_pickle=False)
        os.replace(partial, path)
    return array

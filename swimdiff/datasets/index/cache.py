"""Keeping the index of an archive, and noticing that the archive changed.

The check is by time of modification: of the root always, of the folders below it (in random order)
for half a second at most. Adding or deleting anything changes the time of its folder.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.index.patch_index import PatchIndex
from swimdiff.errors import LayoutError
from swimdiff.files import hold_lock, open_whole, replace_text

__all__ = ['cache_folder', 'cached_array', 'cached_index', 'digest']

#: Builds of an index that are kept: a run that goes on may still map the one before.
_KEPT = 3

#: Longest time spent on looking for changes when an index is opened.
CHECK_SECONDS = 0.5


def digest(key: Any) -> str:
    """Return a short name of anything that JSON can write."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder(root: Path, where: str | Path | None = 'auto') -> Path | None:
    """Return the folder for what is remembered of an archive; make it if need be.

    Args:
        root: The archive.
        where: ``auto``: ``.swimdiff`` beside the data, or the user's cache folder where the data
            may not be written to. A path: there. None: nothing is remembered.
    """
    if where is None:
        return None
    if where != 'auto':
        folder = Path(where).expanduser() / digest(str(root.resolve()))
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
    """Return the index of an archive, from the cache where that is still true.

    An index is never written over: each build has a folder of its own, so that a process that
    mapped an older one keeps it, and what is derived from an index lies with just that one. Of the
    processes of one launch the first looks for changes, or builds; the others take what it chose.

    Args:
        root: The archive.
        key: What else decides the content of the index, for JSON.
        build: Makes the index.
        folder: From :func:`cache_folder`; None makes it again each time.

    Returns:
        The index, and its folder in the cache.
    """
    if folder is None:
        return build(), None
    name = f'index-{digest(key)}'
    with ExitStack() as lock_stack:
        # Ranks that start together build once. Without locks all build, and the last one stays.
        with suppress(OSError):
            lock_stack.enter_context(hold_lock(folder / '.lock'))
        entry_name = _chosen_by_launch(folder, name) or _look(folder, name, root)
        if entry_name is None:
            entry_name = f'{name}-{time.time_ns():020d}'
            build().save(folder / entry_name, key=key)
            _forget(folder, name)
        if _launch() is not None:
            replace_text(folder / f'.launch-{name}.json', json.dumps([_launch(), entry_name]))
    # Mapped from the file also by the process that built it, instead of a private copy.
    return PatchIndex.load(folder / entry_name), folder / entry_name


def _launch() -> str | None:
    """What the processes of one launch have in common; None for one process alone."""
    if os.environ.get('WORLD_SIZE', '1') == '1':
        return None
    names = ('MASTER_ADDR', 'MASTER_PORT', 'TORCHELASTIC_RUN_ID', 'TORCHELASTIC_RESTART_COUNT')
    slurm = ('SLURM_JOB_ID', 'SLURM_STEP_ID')
    return ' '.join(os.environ.get(name, '-') for name in (*names, *slurm))


def _chosen_by_launch(folder: Path, name: str) -> str | None:
    """The index that another process of this launch has chosen in the last minutes."""
    path = folder / f'.launch-{name}.json'
    try:
        launch, entry_name = json.loads(path.read_text())
        recent = time.time() - path.stat().st_mtime < 600
    except (OSError, ValueError):
        return None
    return entry_name if launch == _launch() and recent and (folder / entry_name).is_dir() else None


def _entries(folder: Path, name: str) -> list[str]:
    """Builds of an index, the newest first."""
    return sorted((path.name for path in folder.glob(f'{name}-*')), reverse=True)


def _look(folder: Path, name: str, root: Path) -> str | None:
    entries = _entries(folder, name)
    if not entries:
        return None
    try:
        index = PatchIndex.load(folder / entries[0])
    except LayoutError as error:
        print_log(f'The index is made again: {error}', logger='current', level=logging.WARNING)
        return None
    change = _changed(index, root)
    if change is None:
        return entries[0]
    print_log(f'{root} changed ({change}): its index is made again', logger='current')
    return None


def _forget(folder: Path, name: str) -> None:
    """Delete builds that nobody can be expected to use any more, and halves of killed ones."""
    old = [folder / entry for entry in _entries(folder, name)[_KEPT:]]
    for path in [*old, *folder.glob(f'.{name}-*')]:
        shutil.rmtree(path, ignore_errors=True)


def cached_array(entry: Path | None, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return an array derived from an index, kept beside it.

    Args:
        entry: Folder of the index in the cache, or None.
        name: File name without suffix; it must tell everything the array depends on.
        make: Makes the array.
    """
    path = None if entry is None else entry / f'{name}.npy'
    if path is not None and path.exists():
        try:
            return np.asarray(np.load(path, mmap_mode='r', allow_pickle=False))
        except (OSError, ValueError):  # cut off while written: made again
            pass
    array = make()
    if path is not None and entry is not None and entry.is_dir():
        try:
            with open_whole(path) as file:
                np.save(file, array, allow_pickle=False)
        except OSError as error:  # no room: made again the next time
            print_log(f'{path} was not kept: {error}', logger='current', level=logging.WARNING)
    return array

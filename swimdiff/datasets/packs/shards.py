"""Reading bytes of the shards of a pack, where they are or from a copy on a local disk.

Bytes are read by position into buffers of their own. A mapped shard would count as memory of the
worker page by page, and fault once a page.
"""

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.packs.format import shard_name
from swimdiff.errors import LayoutError, RasterError

__all__ = ['LocalCopies', 'Shards']

#: Seconds after which a shard that another process was copying is looked for again.
_LOOK_AGAIN = 5.0
#: Bytes that a copy leaves free on the local disk.
_RESERVE = 1 << 30


class LocalCopies:
    """Copies of shards on a disk of this machine, made by whoever needs one first.

    Args:
        folder: Folder on that disk; many packs may share it.
        digest: Name of the content of the pack.
    """

    def __init__(self, folder: str | Path, digest: str) -> None:
        self.folder = Path(folder).expanduser() / f'pack-{digest}'
        self.given_up = False

    def find(self, shard: Path, size: int) -> Path | None:
        """The copy of a shard, made if need be.

        Returns:
            None while another process is copying, or when there is no room (said once).
        """
        copy = self.folder / shard.name
        if _has_size(copy, size):
            return copy
        if self.given_up:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / f'.{shard.name}.lock', 'w') as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return None
                if not _has_size(copy, size):
                    self._copy(shard, copy, size)
        except OSError as error:
            self.given_up = True
            print_log(
                f'{shard} is not copied to {self.folder} ({error}); shards are read where they '
                'are. Make room there, or leave out local_copy.',
                logger='current',
                level=logging.WARNING,
            )
            return None
        return copy

    def _copy(self, shard: Path, copy: Path, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < size + _RESERVE:
            raise OSError(errno.ENOSPC, f'{free} bytes free, {size + _RESERVE} needed')
        partial = copy.with_name(f'.{copy.name}.partial')
        try:
            shutil.copyfile(shard, partial)
            if not _has_size(partial, size):
                raise OSError(
                    errno.EIO, f'expected {size} bytes, copied {os.path.getsize(partial)}'
                )
            os.replace(partial, copy)
        finally:
            partial.unlink(missing_ok=True)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


class Shards:
    """The shards of a finished pack, opened when first read; may be forked and pickled.

    Args:
        root: Folder of the pack.
        sizes: Length of each shard in bytes.
        copies: Local copies, or None.
    """

    def __init__(self, root: Path, sizes: Sequence[int], copies: LocalCopies | None = None) -> None:
        self.root, self.sizes, self.copies = root, sizes, copies
        self._opened: dict[int, int] = {}
        self._look_again: dict[int, float] = {}
        self._copied: dict[int, Path] = {}
        self._damaged: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self), _opened={}, _look_again={}, _copied={})

    def __del__(self) -> None:
        for file in self._opened.values():
            os.close(file)

    def path(self, number: int) -> Path:
        """Path of a shard: of the copy where that is what is read, else in the pack."""
        return self._copied.get(number, self.root / shard_name(number))

    def drop_copy(self, number: int, why: str) -> bool:
        """Delete a damaged local copy and read the original from now on.

        Args:
            number: Number of the shard.
            why: What is wrong with the copy.

        Returns:
            False where the original is read already.
        """
        copy = self._copied.pop(number, None)
        if copy is None:
            return False
        self._damaged.add(number)
        file = self._opened.pop(number)
        with suppress(OSError):
            # Another process may have made a new copy by now.
            if os.path.samestat(os.fstat(file), copy.stat()):
                copy.unlink()
        os.close(file)
        print_log(
            f'A local copy is damaged and was deleted; {self.path(number)} is read instead. {why}',
            logger='current',
            level=logging.WARNING,
        )
        return True

    def _open(self, number: int) -> int:
        path, size = self.root / shard_name(number), self.sizes[number]
        copies = None if number in self._damaged else self.copies
        copy = copies.find(path, size) if copies else None
        if copies and not copy and not copies.given_up:
            self._look_again[number] = time.monotonic() + _LOOK_AGAIN
        else:
            self._look_again.pop(number, None)
        file = _open_checked(copy or path, size)
        old = self._opened.get(number)
        self._opened[number] = file
        if copy:
            self._copied[number] = copy
        if old is not None:
            os.close(old)
        return file

    def read(self, number: int, start: int, length: int) -> np.ndarray:
        """Bytes of a shard, uint8, in memory of their own.

        Raises:
            LayoutError: The shard is missing.
            RasterError: It is cut off or cannot be read.
        """
        file = self._opened.get(number)
        if file is None or (
            self._look_again and time.monotonic() > self._look_again.get(number, float('inf'))
        ):
            file = self._open(number)
        buffer = np.empty(length, np.uint8)
        try:
            got = os.preadv(file, [buffer.data], start)
            while got < length:
                more = os.preadv(file, [buffer[got:].data], start + got)
                if not more:
                    break
                got += more
        except (OSError, ValueError) as error:
            raise RasterError(
                f'{self.path(number)} cannot be read at byte {start}: {error}. Check the disk.'
            ) from error
        if got < length:
            raise RasterError(
                f'{self.path(number)} ends within a record. Expected bytes {start} to '
                f'{start + length}; found {got} of them. Copy the pack anew.'
            )
        return buffer


def _open_checked(path: Path, size: int) -> int:
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, 'O_CLOEXEC', 0))
    except FileNotFoundError as error:
        raise LayoutError(
            f'{path} is missing: a shard of the pack. Copy the pack anew, or run pack.py again to '
            'write what is missing.'
        ) from error
    except OSError as error:
        more = ' Raise the limit: ulimit -n 4096.' if error.errno == errno.EMFILE else ''
        raise RasterError(f'{path} cannot be opened: {error}.{more}') from error
    found = os.fstat(file).st_size
    if found != size:
        os.close(file)
        raise RasterError(
            f'{path} is damaged. Expected a shard of {size} bytes; found {found}. Copy the pack '
            'anew, or delete this file and run pack.py again to write it anew.'
        )
    return file

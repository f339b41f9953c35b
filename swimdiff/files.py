"""Files that are there whole or not at all, also after a power cut."""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

__all__ = [
    'append_line',
    'clean_partials',
    'hold_lock',
    'open_whole',
    'partial_name',
    'replace_file',
    'replace_folder',
    'replace_text',
    'stage_folder',
]

_PARTIAL = re.compile(r'\..+\.(?P<host>[^.]+)-(?P<pid>\d+)\.partial$')
_DAY = 24 * 60 * 60  # seconds


def _host() -> str:
    return socket.gethostname().split('.')[0] or 'host'


def partial_name(name: str) -> str:
    """Name under which this process writes a file before it takes its place."""
    return f'.{name}.{_host()}-{os.getpid()}.partial'


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(partial: Path, final: Path) -> None:
    """Put a written file into its place.

    The content is on the disk before the name is, and the name when this returns.

    Args:
        partial: The written file, in the folder of ``final``.
        final: Its place; a file there is replaced.
    """
    _flush(partial)
    os.replace(partial, final)
    _flush(final.parent)


def replace_text(path: Path, text: str) -> None:
    """Write a small text file.

    Args:
        path: The file.
        text: Its content, written as UTF-8.
    """
    with open_whole(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write that takes its place when the block ends, or never.

    Args:
        path: Where the file is to be; an older one there stays until then.
    """
    partial = path.with_name(partial_name(path.name))
    try:
        with open(partial, 'wb', 1 << 20) as file:
            yield file
        replace_file(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def stage_folder(folder: Path) -> Iterator[Path]:
    """Make a folder to fill that takes its place when the block ends, or never.

    Its files are on the disk before its name is. A folder that is there already stays: of several
    writers of the same content, the first wins, and nobody sees it missing.

    Args:
        folder: Where the folder is to be.

    Yields:
        The folder to fill, beside it.
    """
    partial = folder.with_name(partial_name(folder.name))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in [*partial.rglob('*'), partial]:
            _flush(path)
        try:
            os.rename(partial, folder)
        except OSError:
            if not folder.is_dir():
                raise
        _flush(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def replace_folder(partial: Path, final: Path) -> None:
    """Put a finished folder in the place of another.

    A second writer of the same does no harm.

    Args:
        partial: The finished folder, beside ``final``.
        final: Its place; a folder there is replaced.
    """
    for _ in range(8):
        try:
            os.rename(partial, final)
            return
        except OSError:
            old = final.with_name(f'.{final.name}.{uuid.uuid4().hex}')
            try:
                os.rename(final, old)
            except FileNotFoundError:
                continue
            shutil.rmtree(old, ignore_errors=True)
    os.rename(partial, final)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _in_use(path: Path, host: str, pid: int) -> bool:
    if host == _host():
        return _alive(pid)
    try:
        return time.time() - path.stat().st_mtime < _DAY
    except FileNotFoundError:  # it has just taken its place
        return True


def clean_partials(folder: Path) -> list[Path]:
    """Delete what killed writers left, files and folders.

    Those of living processes of this host stay; of other hosts, which cannot be asked, those not
    older than a day.

    Args:
        folder: Where to look; may be missing.

    Returns:
        What was deleted.
    """
    deleted_paths = []
    for path in sorted(folder.glob('.*.partial')):
        name_match = _PARTIAL.fullmatch(path.name)
        if name_match is None or _in_use(path, name_match['host'], int(name_match['pid'])):
            continue
        if path.is_dir():  # of a sharding strategy
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        deleted_paths.append(path)
    return deleted_paths


@contextlib.contextmanager
def hold_lock(path: Path, wait: bool | float = True) -> Iterator[IO[str] | None]:
    """Hold a file's lock; a process that dies gives it up.

    Args:
        path (Path): The file, made where it is missing.
        wait (bool | float): Whether to wait for who holds it, or for how many seconds. Defaults to
            True.

    Yields:
        The open file, which a child process may inherit to hold the lock, too; None where another
        process still has it.

    Raises:
        OSError: The file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a+') as file:
        yield file if _take_lock(file, wait) else None


def _take_lock(file: IO[str], wait: bool | float) -> bool:
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait is True else fcntl.LOCK_NB))
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.1)
        else:
            return True


def append_line(path: Path, line: str) -> None:
    """Add a line to a file of several processes; it is on disk on return.

    Args:
        path (Path): The file, made where it is missing.
        line (str): Without its end.
    """
    with hold_lock(path) as file:
        assert file is not None
        end = file.seek(0, os.SEEK_END)
        if end:
            with path.open('rb') as raw:
                raw.seek(end - 1)
                # A line that a kill has cut must not swallow this one.
                line = line if raw.read(1) == b'\n' else f'\n{line}'
        file.write(f'{line}\n')
        file.flush()
        os.fsync(file.fileno())

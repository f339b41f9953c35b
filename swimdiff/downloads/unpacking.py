"""Unpacking zip, tar and gz archives: never outside the folder, whole or not at all.

An archive is unpacked into a hidden folder beside its target, and its entries are moved to their
place when all of it is there. An interrupted unpacking starts again, an interrupted move goes on.
"""

import errno
import gzip
import math
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from swimdiff.downloads.fetching import is_full
from swimdiff.errors import DownloadError
from swimdiff.progress import track

__all__ = ['find_conflicts', 'move_entries', 'unpack_archive']

_BLOCK = 1 << 20
#: A file takes whole blocks of the disk; trees of small files need markedly more than their sum.
_DISK_BLOCK = 4096
_SPLIT = re.compile(r'(.+\.tar(?:\.gz)?)[a-z]{2}')


class _Joined:
    """Read several files as if they were one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = (path.open('rb') for path in paths)
        self._file: IO[bytes] | None = next(self._files)
        self.passed = 0  # bytes

    def read(self, size: int) -> bytes:
        """Return up to so many bytes; none at the end of the last file."""
        while self._file is not None:
            data = self._file.read(size)
            if data:
                self.passed += len(data)
                return data
            self._file.close()
            self._file = next(self._files, None)
        return b''

    def close(self) -> None:
        """Close the file that is being read."""
        if self._file is not None:
            self._file.close()


def _safe_path(name: str, folder: Path, archive: Path) -> Path:
    """Return where an entry goes.

    Raises:
        DownloadError: Its name leaves the folder.
    """
    pure = PurePosixPath(name)
    # A backslash or a drive letter is part of a name here, and a way out on another system.
    wrong = pure.is_absolute() or '..' in pure.parts or '\\' in name or re.match(r'[A-Za-z]:', name)
    if wrong or '\0' in name:
        raise DownloadError(
            f'{archive} holds the entry {name!r}, which leads out of the folder. Nothing of it was '
            'put in place; do not use this archive.'
        )
    return folder.joinpath(*pure.parts)


def unpack_archive(parts: Sequence[Path], name: str, staged: Path, into: str = '') -> None:
    """Unpack an archive into an empty folder, or copy a file that is none.

    Args:
        parts: The files of the archive, in order; one for most.
        name: File name that tells the kind.
        staged: Folder to unpack into; made, and emptied before.
        into: Folder below it, made for the entries.

    Raises:
        DownloadError: An entry leads out of the folder or is neither file nor folder, the archive
            is damaged, or the disk is full.
    """
    if staged.exists():
        shutil.rmtree(staged)
    folder = staged / into
    folder.mkdir(parents=True)
    archive = parts[0]
    name_match = _SPLIT.fullmatch(name)
    kind = name_match[1] if name_match else name
    try:
        if kind.endswith('.zip'):
            _unpack_zip(archive, folder)
        elif kind.endswith(('.tar', '.tar.gz', '.tgz')):
            _unpack_tar(parts, kind, folder)
        elif kind.endswith('.gz'):
            with gzip.open(archive) as packed_file, (folder / kind[:-3]).open('wb') as plain:
                shutil.copyfileobj(packed_file, plain, _BLOCK)
        else:
            shutil.copyfile(archive, folder / kind)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise DownloadError(
            f'{archive} is damaged: {error}. Delete it and run the same command again.'
        ) from error
    except RuntimeError as error:  # zipfile, of a password or a compression it does not know
        raise DownloadError(f'{archive}: {error}. Unpack it by hand into {folder}.') from error
    except OSError as error:
        if not is_full(error):
            raise
        shutil.rmtree(staged, ignore_errors=True)
        raise DownloadError(
            f'{staged.parent}: the disk is full ({error.strerror}) while {archive.name} is being '
            'unpacked. The archive is kept: make room and run the same command again.'
        ) from error


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zip_file:
        entries = zip_file.infolist()
        need = sum(-(-entry.file_size // _DISK_BLOCK) * _DISK_BLOCK for entry in entries)
        free = shutil.disk_usage(folder).free
        if need > free:
            raise OSError(errno.ENOSPC, f'{need / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free')
        for entry in track(entries, len(entries), f'Unpacking {archive.name}'):
            path = _safe_path(entry.filename, folder, archive)
            if (entry.external_attr >> 16) & 0o170000 == 0o120000:
                raise _odd_entry(archive, entry.filename, 'a link')
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            with zip_file.open(entry) as source:
                _write(source, path)


def _unpack_tar(parts: Sequence[Path], kind: str, folder: Path) -> None:
    size = sum(part.stat().st_size for part in parts)
    stream = _Joined(parts)
    mode: Any = 'r|' if kind.endswith('.tar') else 'r|gz'

    def unpack_entries() -> Iterator[None]:
        # A stream cannot tell how many entries will come: progress is counted in MiB read.
        mib_shown = 0
        with tarfile.open(fileobj=cast(Any, stream), mode=mode, bufsize=_BLOCK) as tar_file:
            while (entry := tar_file.next()) is not None:
                vars(tar_file)['members'].clear()  # or millions of them are kept
                _unpack_entry(tar_file, entry, folder, parts[0])
                while mib_shown < stream.passed // _BLOCK:
                    mib_shown += 1
                    yield
            # To tarfile a damaged header in the middle is the end of the archive.
            while tar_file.fileobj is not None and (rest := tar_file.fileobj.read(_BLOCK)):
                if rest.strip(b'\0'):
                    raise tarfile.ReadError(f'no header where one was expected ({tar_file.offset})')

    try:
        what = f'Unpacking {parts[0].name} (MiB)'
        for _ in track(unpack_entries(), math.ceil(size / _BLOCK), what):
            pass
    finally:
        stream.close()


def _unpack_entry(
    packed: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, archive: Path
) -> None:
    path = _safe_path(entry.name, folder, archive)
    if entry.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    source = packed.extractfile(entry) if entry.isfile() else None
    if source is None:
        raise _odd_entry(archive, entry.name, 'a link' if entry.linkname else 'no file')
    with source:
        _write(source, path)


def _write(source: IO[bytes], path: Path) -> None:
    # Rights and owners of the archive are not taken over: who unpacks them may read and delete.
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('wb') as target:
        shutil.copyfileobj(source, target, _BLOCK)


def _odd_entry(archive: Path, name: str, what: str) -> DownloadError:
    return DownloadError(
        f'{archive} holds {name!r}, which is {what}. Expected files and folders only; nothing of '
        'it was put in place.'
    )


def find_conflicts(staged: Path, target: Path) -> list[Path]:
    """List what unpacked files would overwrite in the target folder.

    Args:
        staged: Folder that the archive was unpacked into.
        target: Folder of the data set.
    """
    return [
        target / path.relative_to(staged)
        for path in _leaves(staged, target)
        if os.path.lexists(target / path.relative_to(staged))
    ]


def move_entries(staged: Path, target: Path) -> None:
    """Move unpacked entries into the target folder.

    It may be called again after a break.

    Folders that are there already are filled, the others moved as they are.

    Args:
        staged: Folder that the archive was unpacked into.
        target: Folder of the data set.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in _leaves(staged, target):
        os.replace(path, target / path.relative_to(staged))
    shutil.rmtree(staged)


def _leaves(staged: Path, target: Path) -> list[Path]:
    """Entries to move: files, and folders that the target does not have."""
    leaves: list[Path] = []
    for entry in sorted(staged.iterdir()):
        there = target / entry.name
        if entry.is_dir() and there.is_dir():
            leaves += _leaves(entry, there)
        else:
            leaves.append(entry)
    return leaves

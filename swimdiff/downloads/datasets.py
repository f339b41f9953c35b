"""Bringing a published data set into a folder, in the layout that its reader expects.

What is under way lies in ``.download`` in that folder: archives, parts of archives, unpacked files
that wait to be moved, and a note of the checksums of each archive that is in place. The same call,
made again after a stop of any kind, goes on from there.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from mmengine.logging import print_log

from swimdiff.downloads.fetching import FetchOptions, check_space, check_sum, fetch_file
from swimdiff.downloads.table import RemoteArchive, RemoteDataset, get_dataset
from swimdiff.downloads.unpacking import find_conflicts, move_entries, unpack_archive
from swimdiff.errors import ConfigError, DownloadError
from swimdiff.files import hold_lock, replace_text

__all__ = ['Plan', 'describe_size', 'download_dataset', 'plan_download']

WORK = '.download'


@dataclass(frozen=True)
class Plan:
    """Hold what a download would do.

    Args:
        dataset: The data set.
        root: Where it goes.
        missing: Archives to bring, in order.
        present: Archives whose files are there already.
        need: Bytes that are needed at the fullest moment, about; None where no size is known.
    """

    dataset: RemoteDataset
    root: Path
    missing: tuple[RemoteArchive, ...]
    present: tuple[RemoteArchive, ...]
    need: float | None


def plan_download(
    name: str,
    root: str | os.PathLike[str] | None = None,
    only: Sequence[str] = (),
    archives: str | os.PathLike[str] | None = None,
    keep: bool = False,
) -> Plan:
    """Look up a data set and compare it with what is on the disk; nothing is written.

    Args:
        name: A name of the table.
        root: Target folder; by default the one that the configs look in.
        only: Patterns of archive names, as in a shell; all archives by default.
        archives: Folder with archives that were downloaded by hand.
        keep: Whether archives stay after they are unpacked.

    Raises:
        ConfigError: An unknown name, a pattern that no archive has, or a file as folder.
        DownloadError: The data set can only be had by hand; says where.
    """
    dataset = get_dataset(name)
    target = Path(root or dataset.folder).expanduser()
    if not dataset.archives:
        raise DownloadError(
            f'{name} cannot be downloaded without a person: {dataset.page}\n{dataset.by_hand}\n'
            f'Unpack it into {target}, then: {dataset.use.format(root=target)}'
        )
    if target.exists() and not target.is_dir():
        raise ConfigError(f'{target} is a file. Expected a folder, or none yet (--to).')
    unused_patterns = [p for p in only if not any(fnmatch(a.name, p) for a in dataset.archives)]
    if unused_patterns:
        names = ', '.join(archive.name for archive in dataset.archives)
        raise ConfigError(
            f'only: no archive of {name} is like {", ".join(unused_patterns)}; it has {names}.'
        )
    chosen_archives = [
        archive
        for archive in dataset.archives
        if not only or any(fnmatch(archive.name, pattern) for pattern in only)
    ]
    present_archives = tuple(archive for archive in chosen_archives if _is_present(archive, target))
    missing_archives = tuple(
        archive for archive in chosen_archives if archive not in present_archives
    )
    by_hand = Path(archives).expanduser() if archives else None
    return Plan(
        dataset,
        target,
        missing_archives,
        present_archives,
        _space(missing_archives, target, by_hand, keep),
    )


def download_dataset(
    name: str,
    root: str | os.PathLike[str] | None = None,
    options: FetchOptions | None = None,
    only: Sequence[str] = (),
    archives: str | os.PathLike[str] | None = None,
    keep: bool = False,
) -> Path:
    """Download, verify and unpack a data set, or what is missing of it.

    Args:
        name: A name of the table.
        root: Target folder; by default the one that the configs look in.
        options: Patience, and another address.
        only: Patterns of archive names, as in a shell; all archives by default.
        archives: Folder with archives that were downloaded by hand; used where they are, the
            others are downloaded.
        keep: Keep archives in ``.download`` after they are unpacked.

    Returns:
        The target folder.

    Raises:
        ConfigError: An unknown name or pattern, or folders that are none.
        DownloadError: It does not fit, cannot be had, is not what was published, or would
            overwrite files.
    """
    plan = plan_download(name, root, only, archives, keep)
    by_hand = Path(archives).expanduser() if archives else None
    if by_hand is not None and not by_hand.is_dir():
        raise ConfigError(f'archives={by_hand}: no such folder.')
    for archive in plan.present:
        print_log(
            f'{archive.name}: its files are in {plan.root} already; left as they are', 'current'
        )
    if not plan.missing:
        return plan.root
    work = plan.root / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f'{work} cannot be made: {error.strerror}. Name a folder that may be written to (--to).'
        ) from error
    if plan.need is not None:
        check_space(work, plan.need, f'{name} (archives and unpacked files)')
    with _locked(work):
        for archive in plan.missing:
            _bring(archive, plan.root, options or FetchOptions(), by_hand, keep)
    return plan.root


@contextmanager
def _locked(work: Path) -> Iterator[None]:
    with hold_lock(work / 'lock', wait=False) as file:
        if file is None:
            raise DownloadError(
                f'{work.parent}: another process is downloading into this folder. Wait for it, '
                'or name another folder (--to).'
            )
        yield


def _bring(
    archive: RemoteArchive, root: Path, options: FetchOptions, by_hand: Path | None, keep: bool
) -> None:
    """Bring one archive into place."""
    work = root / WORK
    ready = work / f'unpacked-{archive.name}'
    fetched_files: list[Path] = []
    sums: dict[str, str] = {}
    if not ready.is_dir():
        parts: list[Path] = []
        for file in archive.parts:
            given_file = by_hand / file.name if by_hand else None
            if given_file is not None and given_file.is_file():
                sums[file.name] = check_sum(given_file, file, ours=False)
                parts.append(given_file)
            else:
                path, sums[file.name] = fetch_file(file, work, options)
                parts.append(path)
                fetched_files.append(path)
        size = sum(part.stat().st_size for part in parts)
        check_space(work, size * archive.growth, f'{archive.name}, unpacked,')
        staged_folder = work / f'unpacking-{archive.name}'
        unpack_archive(parts, archive.name, staged_folder, archive.into)
        _check_content(archive, staged_folder)
        # The files are on the disk before the name says that they are whole. Not `stage_folder`:
        # one sync takes less time than a flush of each of up to a million files.
        os.sync()
        os.replace(staged_folder, ready)
    conflicts = find_conflicts(ready, root)
    if conflicts:
        raise DownloadError(
            f'{archive.name} would overwrite {len(conflicts)} files, {conflicts[0]} for one. Move '
            f'them away, or name another folder (--to). What is unpacked waits in {ready}.'
        )
    move_entries(ready, root)
    os.sync()  # or a power cut may take the files, and the archive is deleted next
    replace_text(work / f'{archive.name}.json', json.dumps(sums))
    for path in () if keep else fetched_files:
        path.unlink()


def _check_content(archive: RemoteArchive, folder: Path) -> None:
    absent = [pattern for pattern in archive.gives if not _has(folder, pattern)]
    if absent:
        names = sorted(path.name for path in folder.iterdir())[:5]
        raise DownloadError(
            f'{archive.name} holds no {", ".join(absent)}; found {", ".join(names) or "nothing"}. '
            f'The archive has another layout than the reader expects; it is unpacked in {folder}.'
        )


def _has(folder: Path, pattern: str) -> bool:
    """Tell whether a folder has what a pattern says; a slash at its end means a folder."""
    matches = folder.glob(pattern.rstrip('/'))
    return any(path.is_dir() or not pattern.endswith('/') for path in matches)


def _is_present(archive: RemoteArchive, root: Path) -> bool:
    """Tell whether the files of an archive are in place, by us or by hand."""
    if (root / WORK / f'unpacked-{archive.name}').is_dir():
        return False  # a stop came between two moves
    return all(_has(root, pattern) for pattern in archive.gives)


def _space(
    missing: Sequence[RemoteArchive], root: Path, by_hand: Path | None, keep: bool
) -> float | None:
    """Return the bytes needed at the fullest moment; None where no size is known."""
    sized_archives = [archive for archive in missing if archive.size is not None]
    if not sized_archives:
        return None if missing else 0.0
    stays, peak = 0.0, 0.0
    for archive in sized_archives:
        size = archive.size or 0
        ours = _loaded(archive, root / WORK, '{}') + _loaded(archive, root / WORK, '{}.part')
        given_bytes = _loaded(archive, by_hand, '{}') if by_hand else 0
        load, unpacked_bytes = max(size - ours - given_bytes, 0), size * archive.growth
        peak = max(peak, stays + load + unpacked_bytes)
        stays += unpacked_bytes + (load if keep else -ours)
    return max(peak, stays)


def _loaded(archive: RemoteArchive, folder: Path, form: str) -> int:
    paths = [folder / form.format(part.name) for part in archive.parts]
    return sum(path.stat().st_size for path in paths if path.is_file())


def describe_size(size: float | None) -> str:
    """Return bytes in words: ``7.3 GB``, or ``size unknown``."""
    if size is None:
        return 'size unknown'
    if size < 1:
        return '0 B'
    step = min(int(math.log10(size)) // 3, 4)
    return (
        re.sub(r'\.0$', '', f'{size / 1000**step:.1f}') + ' ' + ('B', 'kB', 'MB', 'GB', 'TB')[step]
    )

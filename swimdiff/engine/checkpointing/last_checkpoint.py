"""Finding the checkpoint to go on from: the newest that is whole.

The engine's note ``last_checkpoint`` is taken as a hint only: a killed writer leaves it missing,
empty or behind. What a file holds says how far the run was and when it was written; the checksums
that every record of it carries (CRC-32 of the zip format) say whether it came down whole.
"""

import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swimdiff.errors import CheckpointError
from swimdiff.weights.unpickling import load_torch

__all__ = ['Progress', 'Search', 'damage', 'find_checkpoint', 'read_progress', 'require_whole']

NOTE = 'last_checkpoint'
_WHOLE = ('meta', 'state_dict', 'message_hub')


@dataclass(frozen=True)
class Progress:
    """Describe a checkpoint that a run can go on from, and how far that run was.

    Args:
        path: The file.
        written: When, in seconds since 1970.
        iteration: Iterations done.
        epoch: Epochs done.
    """

    path: Path
    written: float
    iteration: int
    epoch: int

    def __str__(self) -> str:
        return f'{self.path} (epoch {self.epoch}, iteration {self.iteration})'


@dataclass
class Search:
    """Describe what a search found.

    Args:
        good: The newest whole checkpoint, if any.
        rejected: Newer files that are damaged, each with what is wrong, newest first.
    """

    good: Progress | None = None
    rejected: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def message(self) -> str:
        """Return what was passed over and why, and what is taken instead, or ''."""
        if not self.rejected:
            return ''
        bad = '; '.join(f'{path} {why}' for path, why in self.rejected)
        instead = f'Going on from the one before, {self.good}' if self.good else 'There is no other'
        return f'{bad}. {instead}.'


def damage(path: Path) -> str | None:
    """Return what is wrong with a file of ``torch.save``, by its checksums.

    Reads the whole file. None for an undamaged one and for the format of torch before 1.6, which
    has no checksums.
    """
    with path.open('rb') as file:
        start = file.read(4)
    if not start.strip(b'\0'):
        return f'{path.stat().st_size} bytes, empty or zeros'
    if start[:2] != b'PK':
        return None
    # A damaged archive fails in many ways, of which zipfile documents one.
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except Exception as error:
        return f'{path.stat().st_size} bytes, {error or type(error).__name__}'
    return f'the checksum of {bad} does not fit its content' if bad else None


def _content(path: Path) -> Any:
    # Mapped, tensors are not read; some network file systems cannot map.
    try:
        return load_torch(path, mmap=True)
    except CheckpointError:
        return load_torch(path)


def _written(path: Path, meta: dict[str, Any]) -> float:
    """When a checkpoint was written, in seconds since 1970.

    Ours say so. The engine notes local time, which an hour a year has twice and hosts may have
    differently; the file's own time is that of the copy where it was copied.
    """
    if isinstance(meta.get('written'), float):
        return meta['written']
    try:
        return time.mktime(time.strptime(str(meta.get('time')), '%Y%m%d_%H%M%S'))
    except (ValueError, OverflowError):
        return path.stat().st_mtime


def read_progress(path: Path, optimizer: bool = True) -> Progress:
    """Read how far the run was that wrote a checkpoint, without its tensors.

    Args:
        path: The file.
        optimizer: Ask for the state of the optimiser, too.

    Raises:
        CheckpointError: It cannot be read, or is no checkpoint that a run can go on from.
    """
    content = _content(path)
    needed_keys = (*_WHOLE, 'optimizer') if optimizer else _WHOLE
    missing_keys = [
        key for key in needed_keys if not isinstance(content, dict) or key not in content
    ]
    meta = {} if missing_keys else content['meta']
    if missing_keys or not {'iter', 'epoch'} <= set(meta):
        raise CheckpointError(
            f'{path} holds no {", ".join(missing_keys) or "epoch and iteration"}: it is weights, '
            'not the state of a run. To start from its weights use --cfg-options load_from=FILE; '
            'to go on, name an epoch_N.pth or iter_N.pth of the work dir.'
        )
    return Progress(path, _written(path, meta), int(meta['iter']), int(meta['epoch']))


def require_whole(path: Path, optimizer: bool = True) -> Progress:
    """Return the progress of a checkpoint that somebody named.

    Args:
        path: The checkpoint.
        optimizer: Whether the state of the optimiser must be in it.

    Raises:
        CheckpointError: It is missing, damaged, or no checkpoint that a run can go on from.
    """
    if not path.is_file():
        raise CheckpointError(
            f'--resume {path}: no such file. Leave the name out to go on from the newest whole '
            'checkpoint of the work dir.'
        )
    wrong = damage(path)
    if wrong:
        raise CheckpointError(
            f'--resume {path}: damaged ({wrong}). Name another, or leave the name out to go on '
            'from the newest whole checkpoint of the work dir.'
        )
    return read_progress(path, optimizer)


def _noted(folder: Path) -> Path | None:
    """What ``last_checkpoint`` says, wherever it may be now."""
    try:
        text = (folder / NOTE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(text) if text and '\0' not in text else None


def find_checkpoint(
    folder: str | Path,
    *more: str | Path,
    optimizer: bool = True,
    since: float | None = None,
) -> Search:
    """Find the newest whole checkpoint of a run.

    Args:
        folder: The work dir.
        *more: Other folders where its checkpoints may be (``out_dir`` of the hook).
        optimizer: Ask for the state of the optimiser; files without are passed over.
        since: Leave out files last written before this time, in seconds since 1970.

    Returns:
        The checkpoint, and newer ones that are damaged.
    """
    note = _noted(Path(folder))
    folders = dict.fromkeys(Path(one) for one in (folder, *more, *([note.parent] if note else [])))
    files = {
        path
        for place in folders
        if place.is_dir()
        for path in place.glob('*.pth')
        if path.is_file() and not path.name.startswith('.')
    }
    candidates: list[Progress] = []
    search = Search()
    broken_files: list[tuple[float, Path, str]] = []
    for path in files:
        changed_at = path.stat().st_mtime
        if since is not None and changed_at < since:
            continue
        try:
            candidates.append(read_progress(path, optimizer))
        except CheckpointError as error:
            # A file of weights alone is none of ours; one that cannot be read may have been.
            wrong = damage(path)
            if wrong:
                broken_files.append((changed_at, path, f'is damaged: {wrong}'))
            elif error.__cause__ is not None:
                broken_files.append((changed_at, path, f'cannot be used: {error}'))
    for progress in sorted(candidates, key=lambda one: (one.written, one.iteration), reverse=True):
        wrong = damage(progress.path)
        if wrong is None:
            search.good = progress
            break
        changed_at = progress.path.stat().st_mtime
        broken_files.append((changed_at, progress.path, f'is damaged: {wrong}'))
    newest = search.good.path.stat().st_mtime if search.good else 0.0
    search.rejected = [
        (path, why)
        for changed_at, path, why in sorted(broken_files, reverse=True)
        if changed_at >= newest
    ]
    return search

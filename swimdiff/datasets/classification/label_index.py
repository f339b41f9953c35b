"""Labels of BigEarthNet's 590,326 patches, read from their JSON files once."""

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import print_log

from swimdiff.datasets.classification.corine import CLASSES_43
from swimdiff.errors import LayoutError
from swimdiff.files import replace_text
from swimdiff.progress import track

__all__ = ['label_index', 'read_labels']

#: Looking at files waits for the disk, most of all for one behind a network.
_THREADS = 16
_NUMBER = {name: i for i, name in enumerate(CLASSES_43)}


def read_labels(root: Path, patch: str) -> list[int]:
    """Read the labels of one patch, as indices into ``CLASSES_43``.

    Args:
        root: Folder of the patches.
        patch: Name of the patch.

    Raises:
        LayoutError: The file is missing, no JSON, or holds no known labels.
    """
    path = root / patch / f'{patch}_labels_metadata.json'
    expectation = 'Expected {"labels": ["Pastures", ...], ...} as released; unpack the patch again.'
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise LayoutError(f'{path} is missing. {expectation}') from error
    except (ValueError, OSError) as error:
        raise LayoutError(f'{path} cannot be read as JSON: {error}. {expectation}') from error
    labels = content.get('labels') if isinstance(content, dict) else None
    if not isinstance(labels, list) or not labels:
        keys = ', '.join(content) if isinstance(content, dict) else type(content).__name__
        problem = (
            'an empty list of labels' if labels == [] else f'no labels (keys: {keys or "none"})'
        )
        raise LayoutError(f'{path} has {problem}. {expectation}')
    unknown_labels = [str(label) for label in labels if label not in _NUMBER]
    if unknown_labels:
        raise LayoutError(
            f'{path} names {", ".join(unknown_labels)}, which is none of the 43 CORINE classes of '
            'BigEarthNet v1. Use the files as released.'
        )
    return sorted({_NUMBER[label] for label in labels})


@dataclass(frozen=True)
class _Entry:
    """Labels of one patch, and the state of the file they were read from."""

    labels: list[int]
    state: str


def _file_state(root: Path, patch: str) -> str:
    """Return size and time of a label file: they change when the file is written again."""
    try:
        state = os.stat(root / patch / f'{patch}_labels_metadata.json')
    except OSError:
        return ''  # reading it says what is wrong
    return f'{state.st_size}:{state.st_mtime_ns}'


def _load(cache: Path) -> dict[str, _Entry]:
    """Return what was kept; nothing, with a warning, where the file is damaged."""
    if not cache.is_file():
        return {}
    index: dict[str, _Entry] = {}
    try:
        for line in cache.read_text().splitlines(keepends=True):
            patch, labels, *rest = line.rstrip('\n').split('\t')
            state = rest[0] if rest else ''
            numbers = [int(label) for label in labels.split(',')]
            # A line cut off may still look like numbers.
            if not line.endswith('\n') or not all(0 <= i < len(_NUMBER) for i in numbers):
                raise ValueError(line)
            if state and not re.fullmatch(r'\d+:\d+', state):
                raise ValueError(line)
            # A version that kept no state wrote two columns: such labels are read again.
            index[patch] = _Entry(numbers, state)
    except ValueError:  # includes text that is no UTF-8
        print_log(
            f'{cache} is damaged; expected lines of a patch, a tab and numbers from 0 to '
            f'{len(_NUMBER) - 1}. The label files are read again and it is written again.',
            'current',
            logging.WARNING,
        )
        return {}
    return index


def _save(cache: Path, index: dict[str, _Entry]) -> None:
    lines = [
        f'{patch}\t{",".join(map(str, entry.labels))}\t{entry.state}\n'
        for patch, entry in sorted(index.items())
    ]
    # A read-only data set: the next run reads the JSON files again.
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        replace_text(cache, ''.join(lines))


def label_index(root: Path, patches: Iterable[str], cache: Path) -> dict[str, list[int]]:
    """Return the labels of patches, as indices into ``CLASSES_43``.

    Hundreds of thousands of small files take minutes to read, so what was read is kept in one file,
    with size and time of each label file: one that was written again is read again.

    Args:
        root: Folder of the patch folders.
        patches: Names of the patches wanted.
        cache: File that keeps the labels between runs.

    Raises:
        LayoutError: A label file is missing or damaged.
    """
    names = list(patches)
    index = _load(cache)
    with ThreadPoolExecutor(_THREADS) as pool:
        states = pool.map(lambda patch: _file_state(root, patch), names, chunksize=256)
        now = dict(zip(names, track(states, len(names), f'Looking at {root}'), strict=True))
    stale = [patch for patch in names if patch not in index or index[patch].state != now[patch]]
    changed_count = 0
    for patch in track(stale, len(stale), f'Reading the labels below {root}'):
        labels = read_labels(root, patch)
        old = index.get(patch)
        changed_count += old is not None and old.labels != labels
        index[patch] = _Entry(labels, now[patch])
    if changed_count:
        print_log(
            f'{root}: the labels of {changed_count} patches changed since they were read last, and '
            'are read again. A split that was drawn from the old ones stays as it is; delete its '
            'folder to draw it again.',
            'current',
            logging.WARNING,
        )
    if stale:
        _save(cache, index)
    return {patch: index[patch].labels for patch in names}

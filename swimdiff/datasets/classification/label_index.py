"""Labels of BigEarthNet's 590,326 patches, read from their JSON files once."""

import json
import logging
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

from mmengine.logging import print_log

from swimdiff.datasets.classification.corine import CLASSES_43
from swimdiff.errors import LayoutError

__all__ = ['label_index', 'read_labels']

_NUMBER = {name: i for i, name in enumerate(CLASSES_43)}


def read_labels(root: Path, patch: str) -> list[int]:
    """Labels of one patch, as indices into ``CLASSES_43``.

    Raises:
        LayoutError: The file is missing, no JSON, or holds no known labels.
    """
    path = root / patch / f'{patch}_labels_metadata.json'
    expected = 'Expected {"labels": ["Pastures", ...], ...} as released; unpack the patch again.'
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise LayoutError(f'{path} is missing. {expected}') from error
    except (ValueError, OSError) as error:
        raise LayoutError(f'{path} cannot be read as JSON: {error}. {expected}') from error
    labels = content.get('labels') if isinstance(content, dict) else None
    if not isinstance(labels, list) or not labels:
        keys = ', '.join(content) if isinstance(content, dict) else type(content).__name__
        found = 'an empty list of labels' if labels == [] else f'no labels (keys: {keys or "none"})'
        raise LayoutError(f'{path} has {found}. {expected}')
    unknown = [str(label) for label in labels if label not in _NUMBER]
    if unknown:
        raise LayoutError(
            f'{path} names {", ".join(unknown)}, which is none of the 43 CORINE classes of '
            'BigEarthNet v1. Use the files as released.'
        )
    return sorted({_NUMBER[label] for label in labels})


def _load(cache: Path) -> dict[str, list[int]]:
    """What was kept; nothing, with a warning, where the file is damaged."""
    if not cache.is_file():
        return {}
    index: dict[str, list[int]] = {}
    try:
        for line in cache.read_text().splitlines(keepends=True):
            patch, _, labels = line.partition('\t')
            index[patch] = [int(label) for label in labels.split(',')]
            # A line cut off may still look like numbers.
            if not line.endswith('\n') or not all(0 <= i < len(_NUMBER) for i in index[patch]):
                raise ValueError(line)
    except ValueError:  # includes text that is no UTF-8
        print_log(
            f'{cache} is damaged; expected lines of a patch, a tab and numbers from 0 to '
            f'{len(_NUMBER) - 1}. The label files are read again and it is written anew.',
            'current',
            logging.WARNING,
        )
        return {}
    return index


def _save(cache: Path, index: dict[str, list[int]]) -> None:
    lines = [f'{patch}\t{",".join(map(str, labels))}\n' for patch, labels in sorted(index.items())]
    partial = cache.with_name(f'.{cache.name}.{uuid.uuid4().hex}')
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(''.join(lines))
        os.replace(partial, cache)
    except OSError:
        # A read-only data set: the next run reads the JSON files again.
        partial.unlink(missing_ok=True)


def label_index(root: Path, patches: Iterable[str], cache: Path) -> dict[str, list[int]]:
    """Labels of patches, as indices into ``CLASSES_43``.

    Hundreds of thousands of small files take minutes to read, so what was read is kept in one file.

    Args:
        root: Folder of the patch folders.
        patches: Names of the patches wanted.
        cache: File that keeps the labels between runs; delete it after changing label files.

    Raises:
        LayoutError: A label file is missing or damaged.
    """
    wanted = list(patches)
    index = _load(cache)
    absent = [patch for patch in wanted if patch not in index]
    if len(absent) > 10_000:
        print_log(f'Reading the labels of {len(absent)} patches below {root} once', 'current')
    for done, patch in enumerate(absent, start=1):
        index[patch] = read_labels(root, patch)
        if done % 50_000 == 0:
            print_log(f'  {done} of {len(absent)} label files read', 'current')
    if absent:
        _save(cache, index)
    return {patch: index[patch] for patch in wanted}

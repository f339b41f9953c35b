"""Finding the folder that holds a data set, and saying what is wrong where it is not there."""

import os
from collections.abc import Callable
from pathlib import Path

from swimdiff.datasets.contents import describe_contents
from swimdiff.errors import DatasetNotFoundError, LayoutError

__all__ = ['find_below', 'folders']

#: Folders in a row that hold nothing but one folder; more are taken for a loop of links.
_LONGEST_CHAIN = 8


def folders(path: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, hidden ones left out."""
    with os.scandir(path) as entries:
        return sorted(
            entry.name for entry in entries if not entry.name.startswith('.') and entry.is_dir()
        )


def _follow_chain(path: Path, is_root: Callable[[Path], bool]) -> Path:
    """Go down through folders that hold nothing but one folder (``ds/images/.../tif``)."""
    for _ in range(_LONGEST_CHAIN):
        inner = folders(path)
        if len(inner) != 1 or is_root(path):
            break
        path = path / inner[0]
    return path


def find_below(
    data_root: str | Path, is_root: Callable[[Path], bool], expected: str, depth: int = 2
) -> Path:
    """Return the folder of a data set: the one named, or the only one below it.

    Args:
        data_root: The folder named in the config.
        is_root: Recognises the folder.
        expected: Tree and source, for the message; ``{root}`` is replaced.
        depth: Levels that are looked at below ``data_root``; folders that hold nothing but one
            folder are no level.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The data set is not in it, or more than one is.
    """
    root = Path(data_root).expanduser()
    advice = expected.format(root=root)
    if not root.is_dir():
        what = 'is a file, not a folder' if root.exists() else 'does not exist'
        raise DatasetNotFoundError(f'data_root {root.absolute()} {what}.\n{advice}')
    level = [_follow_chain(root, is_root)]
    for _ in range(depth + 1):
        roots = [path for path in level if is_root(path)]
        if len(roots) == 1:
            return roots[0]
        if roots:
            raise LayoutError(
                f'data_root {root} holds several data sets: {", ".join(map(str, roots))}. '
                'Set data_root to one of them.'
            )
        level = [_follow_chain(path / name, is_root) for path in level for name in folders(path)]
    what = describe_contents(root)
    raise LayoutError(f'data_root {root.absolute()}: no data set; found {what}.\n{advice}')

"""Trees of one folder per location and date: how they are found, and what is wrong with them."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from swimdiff.datasets.contents import describe_contents
from swimdiff.errors import DatasetNotFoundError, LayoutError

__all__ = ['LocationLayout']


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


@dataclass(frozen=True)
class LocationLayout:
    """Describe how one data set names its folders.

    Args:
        name: Name of the data set.
        digits: Number of digits in the name of a location's folder.
        product: A product folder as an example.
        tree: What is expected and where the data is to be had, with ``{root}``.
    """

    name: str
    digits: int
    product: str
    tree: str

    def _is_location(self, name: str) -> bool:
        return re.fullmatch(rf'\d{{{self.digits}}}', name) is not None

    def find_root(self, data_root: str | Path) -> Path:
        """Return the folder that holds the location folders.

        Archives unpack into a folder of their own, so one level deeper is looked at as well.

        Args:
            data_root: The folder named in the config.

        Raises:
            DatasetNotFoundError: The folder is not there.
            LayoutError: No location folder in it, or several data sets below it.
        """
        root = Path(data_root).expanduser()
        if not root.is_dir():
            what = 'is a file, not a folder' if root.exists() else 'does not exist'
            raise DatasetNotFoundError(
                f'data_root {root.absolute()} {what}.\n{self.tree.format(root=root)}'
            )
        folders = _folders(root)
        if any(self._is_location(name) for name in folders):
            return root
        below = [
            root / name
            for name in folders
            if any(self._is_location(inner) for inner in _folders(root / name))
        ]
        if len(below) == 1:
            return below[0]
        if below:
            names = ', '.join(str(path) for path in below)
            raise LayoutError(
                f'data_root {root} holds several data sets: {names}. Set data_root to one of them.'
            )
        raise LayoutError(
            f'data_root {root.absolute()} has no location folders ({self.digits} digits); found '
            f'{describe_contents(root)}.\n{self.tree.format(root=root)}'
        )

    def list_locations(self, root: Path) -> list[str]:
        """Return the sorted names of the location folders; ignore all else beside them."""
        return [name for name in _folders(root) if self._is_location(name)]

    def list_products(self, root: Path, location: str) -> tuple[str, ...]:
        """Return the sorted product folders (dates) of a location; ignore previews.

        Args:
            root: From :meth:`find_root`.
            location: Name of the folder of the location.

        Raises:
            LayoutError: The location has none.
        """
        folder = root / location
        products = tuple(name for name in _folders(folder) if not name.startswith('.'))
        if not products:
            files = sorted(os.listdir(folder))
            content = f'only {", ".join(files[:3])}' if files else 'an empty folder'
            raise LayoutError(
                f'Location {folder} has no dates: expected product folders like {self.product} in '
                f'it, found {content}. The archive is only partly unpacked: unpack it again, or '
                'delete this folder.'
            )
        return products

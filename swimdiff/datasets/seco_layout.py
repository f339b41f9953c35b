"""Finding the locations and products of a SeCo tree, and saying what is wrong with it."""

import os
import re
from pathlib import Path

from swimdiff.errors import DatasetNotFoundError, LayoutError

__all__ = ['EXPECTED_TREE', 'find_root', 'list_locations', 'list_products']

EXPECTED_TREE = """\
Expected tree:
  {root}/
    000000/
      20200713T075609_20200713T081050_T36QZH/
        B1.tif B2.tif ... B8.tif B8A.tif B9.tif B11.tif B12.tif  metadata.json
      ... (one folder a date)
    000001/
    ...
SeCo is at https://zenodo.org/records/4728033: 100k version 7.3 GB, 1M version 36.3 GB. Unpack
either and name the folder with data_root, in the config or on the command line:
--cfg-options train_dataloader.dataset.data_root=DIR
To try without it: python tools/dataset_converters/make_seco_layout.py --help"""

_LOCATION = re.compile(r'\d{6}')
_ARCHIVES = ('.zip', '.tar', '.tar.gz', '.tgz')


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


def _advice(root: Path) -> str:
    return EXPECTED_TREE.format(root=root)


def find_root(data_root: str | Path) -> Path:
    """The folder that holds the six-digit location folders.

    Archives unpack into a folder of their own, so one level deeper is looked at as well.

    Args:
        data_root: The folder named in the config.

    Raises:
        DatasetNotFoundError: The folder is not there.
        LayoutError: No location folder in it, or several data sets below it.
    """
    root = Path(data_root)
    if not root.is_dir():
        what = 'is a file, not a folder' if root.exists() else 'does not exist'
        raise DatasetNotFoundError(f'data_root {root.absolute()} {what}.\n{_advice(root)}')
    folders = _folders(root)
    if any(_LOCATION.fullmatch(name) for name in folders):
        return root
    below = [
        root / name
        for name in folders
        if any(_LOCATION.fullmatch(inner) for inner in _folders(root / name))
    ]
    if len(below) == 1:
        return below[0]
    if below:
        names = ', '.join(str(path) for path in below)
        raise LayoutError(
            f'data_root {root} holds several data sets: {names}. Set data_root to one of them.'
        )
    archives = sorted(path.name for path in root.iterdir() if path.name.endswith(_ARCHIVES))
    entries = sorted(path.name for path in root.iterdir())
    if archives:
        found = f'only the archive {", ".join(archives)}: unpack it there first'
    elif entries:
        more = ', ...' if len(entries) > 5 else ''
        found = f'{len(entries)} other entries ({", ".join(entries[:5])}{more})'
    else:
        found = 'an empty folder'
    raise LayoutError(
        f'data_root {root.absolute()} has no location folders (six digits); found {found}.\n'
        f'{_advice(root)}'
    )


def list_locations(root: Path) -> list[str]:
    """Names of the location folders, sorted; anything else beside them is ignored."""
    return [name for name in _folders(root) if _LOCATION.fullmatch(name)]


def list_products(root: Path, location: str) -> tuple[str, ...]:
    """Product folders (dates) of a location, sorted; previews beside them are ignored.

    Raises:
        LayoutError: The location has none.
    """
    folder = root / location
    products = tuple(name for name in _folders(folder) if not name.startswith('.'))
    if not products:
        files = sorted(os.listdir(folder))
        found = f'only {", ".join(files[:3])}' if files else 'an empty folder'
        raise LayoutError(
            f'Location {folder} has no dates: expected product folders like '
            f'20200713T075609_20200713T081050_T36QZH in it, found {found}. The archive is only '
            'partly unpacked: unpack it again, or delete this folder.'
        )
    return products

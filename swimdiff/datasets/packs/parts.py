"""What a shard holds, kept beside it: lets a run go on, and makes the index at the end."""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swimdiff.datasets.packs.format import shard_name
from swimdiff.files import open_whole

__all__ = ['Part', 'part_path', 'read_part']


@dataclass(frozen=True)
class Part:
    """Describe what a shard holds, as kept in a file beside it.

    Args:
        arrays: ``rows`` of the archive that are in it, and for each of these the columns that a
            pack adds (all but ``shard``).
        systems: Coordinate systems that ``systems`` counts.
        unreadable: Rows left out, one message each.
        size: Bytes of the shard.
        files: Checksum of names, sizes and times of the files that it was made of.
    """

    arrays: Mapping[str, np.ndarray]
    systems: list[str]
    unreadable: list[str]
    size: int
    files: str

    def save(self, path: Path) -> None:
        """Write the part, whole or not at all."""
        arrays = dict(self.arrays, size=np.array(self.size), files=np.array(self.files))
        for name, texts in (('of_systems', self.systems), ('unreadable', self.unreadable)):
            arrays[name] = np.array([os.fsencode(text) for text in texts], 'S')
        with open_whole(path) as file, zipfile.ZipFile(file, 'w') as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f'{name}.npy'), 'w') as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)


def part_path(root: Path, number: int) -> Path:
    """Return the file that says what a shard holds.

    Args:
        root: Folder of the pack.
        number: Of the shard.
    """
    return root / 'parts' / f'shard-{number:05d}.npz'


def read_part(root: Path, number: int) -> Part | None:
    """Read what a finished shard holds; None for one that is not finished.

    It may be missing or cut off, too.

    Args:
        root: Folder of the pack.
        number: Of the shard.
    """
    try:
        with np.load(part_path(root, number), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        lists = {
            name: [os.fsdecode(bytes(text)) for text in arrays.pop(name)]
            for name in ('of_systems', 'unreadable')
        }
        size, files = int(arrays.pop('size')), str(arrays.pop('files'))
        if os.path.getsize(root / shard_name(number)) != size:
            return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Part(arrays, lists['of_systems'], lists['unreadable'], size, files)

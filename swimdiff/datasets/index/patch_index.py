"""The index of an archive of patches: columns in memory-mapped files, not objects.

A *row* is one patch at one date; a *location* is a piece of ground with its rows side by side.
Text and numbers lie in NumPy's own file format and are mapped, so a million rows open in
milliseconds and all workers share the same memory.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.errors import LayoutError
from swimdiff.files import replace_folder

__all__ = ['PatchIndex', 'Strings']

#: Raised when the meaning of a column changes; older files are then written again.
FORMAT = 1


class Strings(Sequence[str]):
    """Hold a read-only column of strings: their UTF-8 bytes, and where each begins.

    Args:
        data: uint8 bytes.
        offsets: N + 1 int64 positions in ``data``.
    """

    def __init__(self, data: np.ndarray, offsets: np.ndarray) -> None:
        self.data, self.offsets = data, offsets

    @classmethod
    def of(cls, strings: Iterable[str]) -> 'Strings':
        """Return the column of some strings.

        Bytes of a file's name that are no text are kept.
        """
        encoded_strings = [os.fsencode(string) for string in strings]
        lengths = np.fromiter(
            (len(item) for item in encoded_strings), np.int64, len(encoded_strings)
        )
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(np.frombuffer(b''.join(encoded_strings), np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < len(self):
            raise IndexError(i)
        return os.fsdecode(self.data[self.offsets[i] : self.offsets[i + 1]].tobytes())

    def take(self, rows: np.ndarray) -> 'Strings':
        """Return the column of some rows."""
        return Strings.of(self[int(row)] for row in rows)


@dataclass(frozen=True)
class PatchIndex:
    """Describe what an archive holds.

    Args:
        locations: Name of each of L locations, sorted.
        paths: Path of each of N rows relative to the root of the archive; its last part is the
            product (the date). Rows of a location stand side by side.
        first: L + 1 int64 numbers of the first row of each location.
        centres: L x 2 float64 longitudes and latitudes in degrees, or None where not known.
        columns: Further columns of N entries that the source of the archive reads by.
        watched: Folders and files relative to the root that show by their time that the archive
            changed, and
        times: their times of modification when the index was made, int64 nanoseconds.
        about: What else is to be remembered, as JSON has it.
        folder: Where the index was loaded from, if it was.
    """

    locations: Strings
    paths: Strings
    first: np.ndarray
    centres: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    watched: Strings = field(default_factory=lambda: Strings.of([]))
    times: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    about: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def __reduce__(self) -> Any:
        # A worker that is sent an index maps the files itself.
        if self.folder is not None:
            return PatchIndex.load, (self.folder,)
        return PatchIndex, tuple(getattr(self, item.name) for item in fields(self))

    def __len__(self) -> int:
        return len(self.paths)

    def location_of_rows(self) -> np.ndarray:
        """Return N int32: the number of the location of each row."""
        counts = np.diff(self.first)
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def rows(self, location: int) -> range:
        """Return the rows of a location."""
        return range(int(self.first[location]), int(self.first[location + 1]))

    def products(self, location: int) -> tuple[str, ...]:
        """Return the product ids of a location, one per row."""
        names = (os.path.basename(self.paths[row]) for row in self.rows(location))
        return tuple(os.path.splitext(name)[0] for name in names)

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {'first': self.first, 'times': self.times}
        for name in ('locations', 'paths', 'watched'):
            column = getattr(self, name)
            arrays[f'{name}.text'], arrays[f'{name}.offsets'] = column.data, column.offsets
        if self.centres is not None:
            arrays['centres'] = self.centres
        return arrays | {f'column.{name}': array for name, array in self.columns.items()}

    def save(self, folder: str | Path, **more: Any) -> None:
        """Write the index as a folder, whole or not at all; replace an older one.

        Args:
            folder: The folder.
            **more: Further entries of ``index.json``.
        """
        target = Path(folder)
        partial = target.with_name(f'.{target.name}.{uuid.uuid4().hex}')
        partial.mkdir(parents=True)
        try:
            arrays = self._arrays()
            for name, array in arrays.items():
                np.save(partial / f'{name}.npy', array, allow_pickle=False)
            text = dict(format=FORMAT, arrays=sorted(arrays), about=dict(self.about), **more)
            (partial / 'index.json').write_text(json.dumps(text, indent=1))
            replace_folder(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path) -> 'PatchIndex':
        """Map the files of an index.

        Raises:
            LayoutError: The folder holds no index, or one of another version of this package.
        """
        source = Path(folder)
        try:
            text = json.loads((source / 'index.json').read_text())
            if text['format'] != FORMAT:
                raise ValueError(f'format {text["format"]}')
            arrays = {name: _mapped(source / f'{name}.npy') for name in text['arrays']}
            strings = {
                name: Strings(arrays.pop(f'{name}.text'), arrays.pop(f'{name}.offsets'))
                for name in ('locations', 'paths', 'watched')
            }
            first, times = arrays.pop('first'), arrays.pop('times')
            centres = arrays.pop('centres', None)
            if len(first) != len(strings['locations']) + 1 or first[-1] != len(strings['paths']):
                raise ValueError('columns of different lengths')
        except (OSError, ValueError, KeyError) as error:
            raise LayoutError(
                f'{source} holds no index that can be read. Expected index.json of format {FORMAT} '
                f'and its .npy files; found: {error}. Delete the folder; it is made again.'
            ) from error
        columns = {name.removeprefix('column.'): array for name, array in arrays.items()}
        return cls(
            locations=strings['locations'],
            paths=strings['paths'],
            first=first,
            centres=centres,
            columns=columns,
            watched=strings['watched'],
            times=times,
            about=text['about'],
            folder=source,
        )


def _mapped(path: Path) -> np.ndarray:
    """A file as a plain array over mapped memory; NumPy's own class for it is slow to index."""
    array = np.load(path, mmap_mode='r', allow_pickle=False)
    return np.asarray(array)

"""Reading bytes of the shards of a pack.

Bytes are read by position into buffers of their own. A mapped shard would count as memory of the
worker page by page, and fault once a page.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.datasets.packs.format import shard_name
from swimdiff.errors import LayoutError, RasterError

__all__ = ['Shards']


class Shards:
    """Read the shards of a finished pack, opened when first read.

    They may be forked and pickled.

    Args:
        root: Folder of the pack.
        sizes: Length of each shard in bytes.
    """

    def __init__(self, root: Path, sizes: Sequence[int]) -> None:
        self.root, self.sizes = root, sizes
        self._opened: dict[int, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self), _opened={})

    def __del__(self) -> None:
        for file in self._opened.values():
            os.close(file)

    def path(self, number: int) -> Path:
        """Return the path of a shard."""
        return self.root / shard_name(number)

    def read(self, number: int, start: int, length: int) -> np.ndarray:
        """Read bytes of a shard, uint8, into memory of their own.

        Args:
            number: Number of the shard.
            start: First byte.
            length: Number of bytes.

        Raises:
            LayoutError: The shard is missing.
            RasterError: It is cut off or cannot be read.
        """
        file = self._opened.get(number)
        if file is None:
            file = self._opened[number] = _open_checked(self.path(number), self.sizes[number])
        buffer = np.empty(length, np.uint8)
        try:
            bytes_read = os.preadv(file, [buffer.data], start)
            while bytes_read < length:
                more = os.preadv(file, [buffer[bytes_read:].data], start + bytes_read)
                if not more:
                    break
                bytes_read += more
        except (OSError, ValueError) as error:
            raise RasterError(
                f'{self.path(number)} cannot be read at byte {start}: {error}. Check the disk.'
            ) from error
        if bytes_read < length:
            raise RasterError(
                f'{self.path(number)} ends within a record. Expected bytes {start} to '
                f'{start + length}; found {bytes_read} of them. Copy the pack again.'
            )
        return buffer


def _open_checked(path: Path, size: int) -> int:
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, 'O_CLOEXEC', 0))
    except FileNotFoundError as error:
        raise LayoutError(
            f'{path} is missing: a shard of the pack. Copy the pack again, or run pack.py again to '
            'write what is missing.'
        ) from error
    except OSError as error:
        more = ' Raise the limit: ulimit -n 4096.' if error.errno == errno.EMFILE else ''
        raise RasterError(f'{path} cannot be opened: {error}.{more}') from error
    file_size = os.fstat(file).st_size
    if file_size != size:
        os.close(file)
        raise RasterError(
            f'{path} is damaged. Expected a shard of {size} bytes; found {file_size}. Copy '
            'the pack again, or delete this file and run pack.py again to write it again.'
        )
    return file

"""Checking every byte of a pack."""

from pathlib import Path

import numpy as np

from swimdiff.datasets.packs.format import HEADER, npy_header
from swimdiff.datasets.packs.pool import run_parallel
from swimdiff.datasets.packs.source import PackSource
from swimdiff.errors import DataError

__all__ = ['verify_pack']


class _Verifier:
    """Reads all records of a shard."""

    def __init__(self, source: PackSource) -> None:
        self.source = source

    def check(self, shard: int) -> list[str]:
        """Return what is wrong with a shard, one message per plane."""
        messages: dict[str, None] = dict.fromkeys(self._header(shard))
        for row in np.flatnonzero(self.source.index.columns['shard'] == shard).tolist():
            try:
                self.source.read([row], self.source.bands)
            except DataError:
                messages.update(dict.fromkeys(self._planes(row)))
        return list(messages)

    def _header(self, shard: int) -> list[str]:
        size, shards = self.source.manifest.shard_bytes[shard], self.source.shards
        try:
            header = shards.read(shard, 0, HEADER).tobytes()
        except DataError as error:
            return [str(error)]
        if header == npy_header(size - HEADER):
            return []
        return [
            f'{shards.path(shard)} is damaged in its first {HEADER} bytes, the header of a .npy '
            'file: NumPy may not open it. Copy the pack again, or delete this file and run pack.py '
            'again to write it again.'
        ]

    def _planes(self, row: int) -> list[str]:
        messages = []
        for band in self.source.bands:
            try:
                self.source.read([row], [band])
            except DataError as error:
                messages.append(str(error))
        return messages


def verify_pack(root: str | Path, workers: int = 1) -> list[str]:
    """Compare planes, index, manifest and headers of a pack with their checksums.

    Args:
        root: The pack.
        workers: Processes.

    Returns:
        What is wrong, one message each; nothing for a pack that is whole.
    """
    try:
        source = PackSource(root)
        _ = source.index  # compared with its checksums as it is opened
    except DataError as error:
        return [str(error)]
    shards = range(source.manifest.shards)
    faults_by_shard = run_parallel(_Verifier(source).check, shards, workers, f'Verifying {root}')
    return [message for messages in faults_by_shard for message in messages]

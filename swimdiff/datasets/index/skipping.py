"""Counting and logging samples that cannot be read, across DataLoader workers."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from swimdiff.errors import ConfigError, DataError, UnreadableSamplesError

__all__ = ['SkipCounter']

_SLOTS = 256


class SkipCounter:
    """Decide whether an unreadable sample is skipped or stops training.

    The counts lie in shared memory with one row per worker, so all workers judge the share of the
    whole process and no two write the same number.

    Args:
        max_share: Share of reads that may fail, 0..1. With 0 the first failure is raised.
        min_reads: Reads before the share is judged, so that one early failure does not stop all.
    """

    def __init__(self, max_share: float = 0.0, min_reads: int = 100) -> None:
        if not 0 <= max_share < 1:
            raise ConfigError(
                f'max_unreadable={max_share}: expected a share from 0 (raise at the first) '
                'to below 1.'
            )
        self.max_share = max_share
        self.min_reads = min_reads
        self._counts = torch.zeros(_SLOTS, 2, dtype=torch.int64).share_memory_()
        self._view: np.ndarray | None = None
        self._logged: set[str] = set()

    @property
    def reads(self) -> int:
        """Number of samples asked for so far."""
        return int(self._counts[:, 0].sum())

    @property
    def failures(self) -> int:
        """Number of those that could not be read."""
        return int(self._counts[:, 1].sum())

    def _add(self, column: int) -> None:
        if self._view is None:
            self._view = self._counts.numpy()  # the same memory; NumPy adds ten times faster
        worker = get_worker_info()
        self._view[0 if worker is None else 1 + worker.id % (_SLOTS - 1), column] += 1

    def __getstate__(self) -> dict:
        # A worker that is sent the counter gets the shared memory, of which it makes its own view.
        return {**self.__dict__, '_view': None}

    def read(self) -> None:
        """Count one sample asked for."""
        self._add(0)

    def _log_once(self, what: str, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            print_log(f'{what}: {text}', logger='current', level=logging.WARNING)

    def left_out(self, errors: Sequence[DataError], total: int, what: str) -> None:
        """Count and log parts of the data set that are left out when indexing, or stop.

        Args:
            errors: One a part.
            total: Number of such parts, with those that are left out.
            what: Name of the parts: ``scenes``, ``locations``.

        Raises:
            DataError: The first error itself, where nothing may be skipped.
            UnreadableSamplesError: More than the allowed share of ``total`` is left out.
        """
        if not errors:
            return
        if self.max_share == 0:
            raise errors[0]
        for number, error in enumerate(errors, 1):
            self._log_once(f'Left out ({number} of {total} {what})', str(error))
        if len(errors) > self.max_share * total:
            raise UnreadableSamplesError(
                f'{len(errors)} of {total} {what} cannot be used, more than '
                f'max_unreadable={self.max_share:g} allows. The last one: {errors[-1]}'
            ) from errors[-1]

    def failed(self, error: DataError) -> None:
        """Count and log a failure, or stop.

        Raises:
            DataError: The error itself, where none may be skipped.
            UnreadableSamplesError: More than the allowed share has failed.
        """
        if self.max_share == 0:
            raise error
        self._add(1)
        text = str(error)
        self._log_once(
            f'Skipped an unreadable sample ({self.failures} of {self.reads} reads)', text
        )
        if self.reads >= self.min_reads and self.failures > self.max_share * self.reads:
            raise UnreadableSamplesError(
                f'{self.failures} of {self.reads} samples read could not be used, more than '
                f'max_unreadable={self.max_share:g} allows. The last one: {text} Mend the data '
                'set, or raise max_unreadable.'
            ) from error

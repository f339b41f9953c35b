"""Counting every pixel of an archive, in parallel and resumably."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands.units import UNITS
from swimdiff.datasets.archives import ScenePatches
from swimdiff.datasets.index import digest
from swimdiff.errors import LayoutError, RasterError
from swimdiff.evaluation.band_statistics import BandHistogram
from swimdiff.files import open_whole
from swimdiff.progress import track

__all__ = ['count_archive']

#: Rows that one job reads; what is counted is saved after as many jobs.
_ROWS, _SAVE_EVERY = 64, 32

#: What the processes of the pool inherit.
_shared: list[tuple[ScenePatches, float | None]] = []


def _histogram(dataset: ScenePatches, ignore: float | None) -> BandHistogram:
    unit = dataset.source.unit
    scale = None if unit is None else UNITS[unit]
    return BandHistogram(dataset.bands, dataset.source.dtype, ignore, scale)


def _count(rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Histogram of some rows, in a process of the pool."""
    dataset, ignore = _shared[0]
    histogram = _histogram(dataset, ignore)
    for row in rows:
        dataset.skips.read()
        try:
            histogram.add(dataset.source.read([row], dataset.bands)[0])
        except (LayoutError, RasterError) as error:
            dataset.skips.failed(error)
    return histogram.counts, histogram.missing


def _jobs(total: int, limit: int | None) -> list[list[int]]:
    """Rows of the archive, all or spread evenly over it, in jobs."""
    row_numbers = np.arange(total)
    if limit is not None and limit < total:
        row_numbers = np.linspace(0, total - 1, limit).round().astype(int)
    return [row_numbers[i : i + _ROWS].tolist() for i in range(0, len(row_numbers), _ROWS)]


def count_archive(
    dataset: ScenePatches,
    state: str | Path,
    ignore: float | None = 0,
    limit: int | None = None,
    workers: int = 1,
) -> BandHistogram:
    """Count the pixels of an archive, going on from an interrupted call.

    Progress is shown.

    Args:
        dataset: The archive with the bands wanted.
        state: File that remembers what is counted; the caller deletes it once all is done.
        ignore: Value that counts as no data, or None.
        limit: Read so many patches, spread evenly; all by default.
        workers: Processes.
    """
    histogram = _histogram(dataset, ignore)
    work = _jobs(len(dataset.index), limit)
    content = hashlib.sha256(dataset.index.paths.data.tobytes()).hexdigest()
    name = digest([dataset.source.key(), dataset.bands, content, limit, ignore, _ROWS])
    jobs_done, state = 0, Path(state)
    if state.exists():
        with np.load(state, allow_pickle=False) as arrays:
            if str(arrays['name']) == name:
                jobs_done = int(arrays['done'])
                histogram.counts, histogram.missing = arrays['counts'], arrays['missing']
                print(f'Going on after {jobs_done} of {len(work)} jobs ({state})')
    _shared[:] = [(dataset, ignore)]
    with ProcessPoolExecutor(workers, mp_context=get_context('fork')) as pool:
        results = pool.map(_count, work[jobs_done:])
        for counts, gaps in track(results, len(work), f'Reading {dataset.root}', jobs_done):
            histogram.counts += counts
            histogram.missing += gaps
            jobs_done += 1
            if jobs_done % _SAVE_EVERY == 0:
                _save(state, name, jobs_done, histogram)
    return histogram


def _save(state: Path, name: str, done: int, histogram: BandHistogram) -> None:
    arrays: dict[str, Any] = dict(counts=histogram.counts, missing=histogram.missing)
    with open_whole(state) as file:
        np.savez(file, name=name, done=done, **arrays)

"""Work on the shards of a pack in several processes, with progress a row.

No worker outlives the process that started it: one that did could write into a pack that a second
run has begun to complete.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

from swimdiff.errors import DataError, UnreadableSamplesError
from swimdiff.progress import track

__all__ = ['Tick', 'run_parallel']

T = TypeVar('T')

#: Called after each row: None, or what is wrong with it. Raises when work is to end.
Tick = Callable[[str | None], None]


class _Stopped(Exception):
    """Another worker failed, or the user asked to stop."""


class _Counters:
    """Rows done and rows that failed, over all processes."""

    def __init__(self, most_bad: float) -> None:
        self.rows = multiprocessing.Value('q', 0)
        self.bad = multiprocessing.Value('q', 0)
        self.stop = multiprocessing.Event()
        self.most_bad = most_bad

    def tick(self, message: str | None) -> None:
        if self.stop.is_set():
            raise _Stopped
        with self.rows.get_lock():
            self.rows.value += 1
        if message is None:
            return
        with self.bad.get_lock():
            self.bad.value += 1
        if self.bad.value > self.most_bad:
            raise UnreadableSamplesError(
                f'{self.bad.value} rows cannot be read, and {self.most_bad:g} may be left out '
                f'(--max-unreadable). The last one: {message}'
            )


_work: Callable[[int, Tick], Any]
_counters: _Counters


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


def _start(work: Callable[[int, Tick], Any], counters: _Counters) -> None:
    global _work, _counters
    _work, _counters = work, counters
    # Ctrl-C reaches every process of a terminal; the one that started the others ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _do(job: int) -> Any:
    return _work(job, _counters.tick)


def run_parallel(
    work: Callable[[int, Tick], T],
    jobs: Sequence[int],
    workers: int,
    rows: int,
    what: str,
    most_bad: float = float('inf'),
) -> list[T]:
    """Do jobs in processes and show how far they are.

    Args:
        work: Does a job, and calls its second argument after each row.
        jobs: Numbers of the jobs.
        workers: Processes; 0 or 1: all in this one.
        rows: Rows of all jobs.
        what: Name of the work.
        most_bad: Rows that may fail.

    Returns:
        Results in the order of the jobs.

    Raises:
        UnreadableSamplesError: More rows failed.
        DataError: A worker died.
    """
    counters = _Counters(most_bad)
    if workers <= 1:
        return _run_here(work, jobs, counters, rows, what)
    with ProcessPoolExecutor(
        min(workers, len(jobs)), initializer=_start, initargs=(work, counters)
    ) as pool:
        futures = [pool.submit(_do, job) for job in jobs]
        try:
            for _ in track(_ticks(futures, counters), rows, what):
                pass
        except BrokenProcessPool as error:
            raise DataError(
                f'{what}: a worker process died (killed, or out of memory). Run the command again '
                'to go on; fewer --workers need less memory.'
            ) from error
        finally:
            counters.stop.set()
            pool.shutdown(cancel_futures=True)
        return [future.result() for future in futures]


def _ticks(futures: Sequence[Future], counters: _Counters) -> Iterator[None]:
    seen, pending = 0, set(futures)
    while pending:
        done, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
        # Those that were stopped because of another one's failure say nothing.
        for future in done:
            with suppress(_Stopped):
                future.result()
        now = counters.rows.value
        yield from [None] * (now - seen)
        seen = now


def _run_here(
    work: Callable[[int, Tick], T],
    jobs: Sequence[int],
    counters: _Counters,
    rows: int,
    what: str,
) -> list[T]:
    results: list[T] = []

    def steps() -> Iterator[None]:
        seen = 0
        for job in jobs:
            results.append(work(job, counters.tick))
            yield from [None] * (counters.rows.value - seen)
            seen = counters.rows.value

    for _ in track(steps(), rows, what):
        pass
    return results

"""Work on the shards of a pack in several processes.

No worker outlives the process that started it: one that did could write into a pack that a second
run has begun to complete.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing.connection import wait
from typing import Any, TypeVar

from swimdiff.errors import DataError
from swimdiff.progress import track

__all__ = ['run_parallel']

T = TypeVar('T')

#: What the processes of the pool do, sent to each of them once.
_work: Callable[[int], Any]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _start(work: Callable[[int], Any]) -> None:
    global _work
    _work = work
    # Ctrl-C reaches every process of a terminal: workers end at once and say nothing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _do(job: int) -> Any:
    return _work(job)


def run_parallel(
    work: Callable[[int], T],
    jobs: Sequence[int],
    workers: int,
    what: str,
    check: Callable[[T], None] = lambda _: None,
) -> list[T]:
    """Do jobs in processes and show how far they are.

    Args:
        work: Does a job.
        jobs: Numbers of the jobs.
        workers: Processes; 0 or 1: all in this one.
        what: Name of the work.
        check: Called with each result as it comes; an error that it raises ends the work.

    Returns:
        Results in the order of the jobs.

    Raises:
        DataError: A worker died.
    """
    results: dict[int, T] = {}
    # Closed at once when an error ends the loop, so that no further job starts.
    with closing(_results(work, jobs, workers, what)) as job_results:
        for job, result in track(job_results, len(jobs), what):
            check(result)
            results[job] = result
    return [results[job] for job in jobs]


def _results(
    work: Callable[[int], T], jobs: Sequence[int], workers: int, what: str
) -> Generator[tuple[int, T], None, None]:
    if workers <= 1:
        yield from ((job, work(job)) for job in jobs)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), None, _start, (work,)) as pool:
        futures: dict[Future, int] = {pool.submit(_do, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise DataError(
                f'{what}: a worker process died (killed, or out of memory). Run the command again '
                'to go on; fewer --workers need less memory.'
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

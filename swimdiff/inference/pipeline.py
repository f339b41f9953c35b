"""Reading, network and writing side by side, with little in memory whatever the raster's size.

A thread reads strips of windows, the caller's thread runs the network, a third one writes finished
rows. Queues between them hold few strips. An error in any of them ends the others and is raised.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from swimdiff.inference.blending import BandAccumulator
from swimdiff.inference.inputs import CloudRows, DateRows
from swimdiff.inference.windows import WindowPlan

__all__ = ['Background', 'Consumer', 'FinishedRows', 'Strip', 'predict_strips', 'read_strips']

T = TypeVar('T')

#: Seconds between two looks whether the other side has ended.
_PATIENCE = 0.1
_END = object()


@dataclass
class Strip:
    """Hold the pixels of one span of rows.

    Args:
        number (int): Number of the span.
        images (np.ndarray): C x rows x W uint8, the bands of the first date before those of the
            second.
        valid (np.ndarray): rows x W bool, where all dates have data and no cloud.
    """

    number: int
    images: np.ndarray
    valid: np.ndarray


@dataclass
class FinishedRows:
    """Hold rows that no later window adds to.

    Args:
        first (int): Number of the first row.
        probabilities (np.ndarray): C x rows x W float32.
        valid (np.ndarray): rows x W bool.
    """

    first: int
    probabilities: np.ndarray
    valid: np.ndarray


class Background(Generic[T]):
    """Work through an iterable in a thread, a few items ahead.

    Args:
        items (Iterable): What is worked through.
        ahead (int): Items that wait at most. Defaults to 1.
    """

    def __init__(self, items: Iterable[T], ahead: int = 1) -> None:
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(ahead)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name='reader', daemon=True)
        self._thread.start()

    def _put(self, item: Any) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_PATIENCE)
                return True
            except queue.Full:
                continue
        return False

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:
            self._error = error
        self._put(_END)

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if item is _END:
                if self._error is not None:
                    raise self._error
                return
            yield item

    def close(self) -> None:
        """End the thread, whatever it is at."""
        self._stopped.set()
        self._thread.join()


class Consumer(Generic[T]):
    """Hand items to a function in a thread.

    Args:
        function (Callable): Takes one item.
        behind (int): Items that wait at most. Defaults to 2.
    """

    def __init__(self, function: Callable[[T], None], behind: int = 2) -> None:
        self._function = function
        self._queue: queue.Queue[Any] = queue.Queue(behind)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name='writer', daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                item = self._queue.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
            if item is _END:
                return
            try:
                self._function(item)
            except BaseException as error:
                self._error = error
                return

    def put(self, item: Any) -> None:
        """Hand over an item; waits while too many wait, raises what the function raised."""
        while True:
            if self._error is not None:
                raise self._error
            try:
                self._queue.put(item, timeout=_PATIENCE)
                return
            except queue.Full:
                continue

    def finish(self) -> None:
        """Wait until all items are worked through; raises what the function raised."""
        self.put(_END)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread after the item it is at."""
        self._stopped.set()
        self._thread.join()


def read_strips(
    dates: Sequence[DateRows], clouds: Sequence[CloudRows], plan: WindowPlan
) -> Iterator[Strip]:
    """Read the strips of windows, each row of the raster once.

    Args:
        dates (Sequence[DateRows]): The dates.
        clouds (Sequence[CloudRows]): Cloud masks, of any of the dates.
        plan (WindowPlan): The windows.
    """
    images = np.empty((sum(date.channels for date in dates), 0, plan.width), np.uint8)
    valid, begin, rows_read = np.empty((0, plan.width), bool), 0, 0
    for number, span in enumerate(plan.rows):
        kept_rows = slice(min(span.first - begin, rows_read - begin), None)
        new_rows = span.last - rows_read
        parts = [date.read_rows(rows_read, new_rows) for date in dates]
        marks = np.logical_and.reduce([part[1] for part in parts])
        for cloud in clouds:
            marks &= ~cloud.read_rows(rows_read, new_rows)
        images = np.concatenate(
            [images[:, kept_rows], np.concatenate([part[0] for part in parts])], axis=1
        )
        valid = np.concatenate([valid[kept_rows], marks])
        begin, rows_read = span.first, span.last
        yield Strip(number, images, valid)


def _form_batches(plan: WindowPlan, strip: Strip, size: int) -> Iterator[list[int]]:
    """Yield numbers of windows of one shape in a strip; those without any data are left out."""
    batch: list[int] = []
    for number, span in enumerate(plan.columns):
        if not strip.valid[:, span.first : span.last].any():
            continue
        if batch and (len(batch) == size or plan.columns[batch[0]].length != span.length):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def predict_strips(
    strips: Iterable[Strip],
    predict: Callable[[np.ndarray], np.ndarray],
    accumulator: BandAccumulator,
    plan: WindowPlan,
    batch_size: int,
    put: Callable[[FinishedRows], None],
) -> Iterator[int]:
    """Run the network over strips and hand on finished rows.

    Args:
        strips (Iterable[Strip]): From the north to the south.
        predict (Callable): N x C x H x W uint8 to N x K x H x W float32.
        accumulator (BandAccumulator): Puts the windows together.
        plan (WindowPlan): The windows.
        batch_size (int): Windows per pass.
        put (Callable): Takes finished rows.

    Yields:
        int: Number of each window of the plan that is done.
    """
    for strip in strips:
        span, columns_done = plan.rows[strip.number], 0
        for batch in _form_batches(plan, strip, batch_size):
            spans = [plan.columns[number] for number in batch]
            images = np.stack([strip.images[:, :, s.first : s.last] for s in spans])
            for number, values in zip(batch, predict(images), strict=True):
                accumulator.add_window(strip.number, number, values)
            yield from range(columns_done, batch[-1] + 1)
            columns_done = batch[-1] + 1
        first, probabilities = accumulator.finish_strip(strip.number)
        rows = slice(first - span.first, first - span.first + probabilities.shape[1])
        put(FinishedRows(first, probabilities, strip.valid[rows]))
        yield from range(columns_done, len(plan.columns))

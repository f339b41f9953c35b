"""Threads beside the network: order, bounded queues, and errors that end everything."""

import threading
import time

import numpy as np
import pytest

from swimdiff.inference.pipeline import Background, Consumer, read_strips
from swimdiff.inference.windows import WindowPlan


class _Rows:
    """A date that is its row numbers, and notes which rows are asked for."""

    channels = 1

    def __init__(self, width: int) -> None:
        self.width, self.asked = width, []

    def read_rows(self, first, count):
        self.asked.append((first, count))
        rows = np.arange(first, first + count)[:, None] % 251
        rows = np.broadcast_to(rows, (1, count, self.width)).astype(np.uint8)
        return rows, np.ones(rows.shape[1:], bool)


def test_every_row_is_read_once_and_strips_are_whole():
    plan, date = WindowPlan(500, 40, 96, 16, 32), _Rows(40)
    for strip, span in zip(read_strips([date], [], plan), plan.rows, strict=True):
        assert strip.images.shape == (1, span.length, 40)
        np.testing.assert_array_equal(strip.images[0, :, 0], np.arange(span.first, span.last) % 251)
    rows = [row for first, count in date.asked for row in range(first, first + count)]
    assert rows == list(range(500))


def test_a_reader_is_few_items_ahead():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    background = Background(items(), ahead=2)
    found = []
    for item in background:
        found.append(item)
        if item == 5:
            time.sleep(0.2)
            assert len(made) <= 6 + 2 + 1 + 1  # those taken, waiting, in hand
    assert found == list(range(50))
    background.close()


def test_an_error_of_the_reader_reaches_the_caller():
    def items():
        yield 1
        raise OSError('the disk is gone')

    background = Background(items())
    with pytest.raises(OSError, match='the disk is gone'):
        list(background)
    background.close()


def test_a_reader_that_waits_can_be_ended():
    background = Background(iter(range(1000)))
    assert next(iter(background)) == 0
    background.close()
    assert not any(thread.name == 'reader' for thread in threading.enumerate())


def test_an_error_of_the_writer_reaches_the_caller_though_the_queue_is_full():
    def write(item):
        time.sleep(0.05)
        raise OSError('no space left')

    writer = Consumer(write, behind=1)
    with pytest.raises(OSError, match='no space left'):
        for number in range(1000):
            writer.put(number)
    with pytest.raises(OSError, match='no space left'):
        writer.finish()
    writer.close()


def test_a_writer_works_through_all_items_in_order():
    found = []
    writer = Consumer(found.append, behind=1)
    for number in range(100):
        writer.put(number)
    writer.finish()
    assert found == list(range(100))

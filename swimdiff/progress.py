"""Progress of long work: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mmengine.logging import print_log
from tqdm import tqdm

__all__ = ['track']

T = TypeVar('T')

#: Seconds between two lines where there is no terminal.
_EVERY = 30.0


def track(items: Iterable[T], total: int, what: str, done: int = 0) -> Iterator[T]:
    """Pass items on and show how far it is; short work shows nothing.

    Args:
        items: What is worked through.
        total: Number of them, with those done before.
        what: Name of the work.
        done: Items done by an earlier call.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, what, total, initial=done, delay=1.0, leave=False)
        return
    start = shown_at = time.monotonic()
    for number, item in enumerate(items, done + 1):
        yield item
        now = time.monotonic()
        if now - shown_at > _EVERY:
            shown_at = now
            seconds_left = (now - start) / (number - done) * (total - number)
            print_log(f'{what}: {number} of {total}, {seconds_left:.0f} s left', logger='current')

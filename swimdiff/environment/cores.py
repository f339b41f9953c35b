"""How many cores this process may use."""

import os

__all__ = ['count_cores']


def count_cores() -> int:
    """Return the number of cores.

    Containers and clusters give fewer than the machine has.
    """
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""Arrays that a process keeps in memory, up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np

__all__ = ['KeptArrays']


class KeptArrays:
    """Keep arrays by key, so that what is asked for again is not read again.

    Args:
        room: Bytes.
        replaces: Whether a new array takes the place of those that were unused for longest. Right
            where uses of an array lie close together; where each is used once an epoch, those that
            came first are worth as much and stay.
    """

    def __init__(self, room: int, replaces: bool = True) -> None:
        self.room, self.replaces, self.used = room, replaces, 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def __reduce__(self) -> Any:
        return KeptArrays, (self.room, self.replaces)  # a worker that is sent it fills its own

    def get(self, key: Hashable) -> np.ndarray | None:
        """Return an array, or None where it is not kept."""
        array = self._arrays.get(key)
        if array is not None and self.replaces:
            self._arrays.move_to_end(key)
        return array

    def put(self, key: Hashable, array: np.ndarray) -> None:
        """Keep an array, if there is room for it.

        Args:
            key: Not kept yet.
            array: Not to be changed any more.
        """
        if array.nbytes > (self.room if self.replaces else self.room - self.used):
            return
        self._arrays[key] = array
        self.used += array.nbytes
        while self.used > self.room:
            self.used -= self._arrays.popitem(last=False)[1].nbytes

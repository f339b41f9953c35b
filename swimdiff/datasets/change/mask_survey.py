"""Looking at all masks of a data set once, on several threads."""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from swimdiff.datasets.change.images import look_at_mask
from swimdiff.datasets.change.mask_coding import MaskLook
from swimdiff.errors import LayoutError, RasterError
from swimdiff.progress import track

__all__ = ['survey_masks']

_THREADS = 8


@functools.lru_cache(maxsize=200_000)
def _look(path: str, size: int, time: int) -> MaskLook:
    """Keep what a file holds: train, val and test of one run ask for the same masks."""
    return look_at_mask(path)


def _look_now(path: str) -> MaskLook:
    try:
        state = os.stat(path)
    except FileNotFoundError as error:
        raise LayoutError(f'{path} is missing. Unpack the archive again.') from error
    return _look(path, state.st_size, state.st_mtime_ns)


def _look_or_skip(path: str) -> MaskLook | None:
    try:
        return _look_now(path)
    except (LayoutError, RasterError):
        return None


def survey_masks(paths: Sequence[str], skip_unreadable: bool = False) -> list[MaskLook]:
    """Read masks and return which grey values they hold.

    Args:
        paths: The files.
        skip_unreadable: Leave out files that cannot be read instead of refusing them.

    Raises:
        LayoutError: A file is missing.
        RasterError: A file cannot be read as a mask.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        looks = pool.map(_look_or_skip if skip_unreadable else _look_now, paths)
        mask_looks = list(track(looks, len(paths), 'Looking at the masks'))
    return [look for look in mask_looks if look is not None]

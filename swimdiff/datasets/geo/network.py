"""How GDAL behaves towards servers: time limits and second tries, set in one place.

GDAL itself asks again where a server is busy (429, 500, 502 to 504) or does not answer in time. It
does not where a connection breaks off in the middle of an answer; :func:`call_again` does.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from swimdiff.datasets.geo.access import GDAL_ERRORS, gdal_modules

__all__ = ['NETWORK_OPTIONS', 'call_again', 'is_final', 'is_retry_note', 'use_network']

T = TypeVar('T')

#: Options of GDAL for servers; one that the environment sets, or the user, is left as it is.
NETWORK_OPTIONS = {
    # Seconds until a connection has to be there, and until an answer has to be complete.
    'GDAL_HTTP_CONNECTTIMEOUT': '10',
    'GDAL_HTTP_TIMEOUT': '120',
    # An answer that brings less than so many bytes per second for so many seconds is given up.
    'GDAL_HTTP_LOW_SPEED_LIMIT': '100',
    'GDAL_HTTP_LOW_SPEED_TIME': '30',
    'GDAL_HTTP_MAX_RETRY': '4',
    'GDAL_HTTP_RETRY_DELAY': '1',
    # Neighbouring ranges in one request; the first request brings the whole header of most files.
    'GDAL_HTTP_MERGE_CONSECUTIVE_RANGES': 'YES',
    'GDAL_INGESTED_BYTES_AT_OPEN': '32768',
}

_in_use = False


def use_network() -> None:
    """Set GDAL's options for servers; called before the first address is opened."""
    global _in_use
    gdal, _ = gdal_modules()
    for name, value in NETWORK_OPTIONS.items():
        if gdal.GetConfigOption(name) is None:
            gdal.SetConfigOption(name, value)
    _in_use = True


def is_retry_note(text: str) -> bool:
    """Return whether a warning of GDAL says only that it asks a server again."""
    return 'Retrying again in' in text


def _pauses() -> Iterator[float]:
    """Yield seconds between tries, each longer than the one before."""
    gdal, _ = gdal_modules()
    pause = float(gdal.GetConfigOption('GDAL_HTTP_RETRY_DELAY', '1'))
    for _ in range(int(gdal.GetConfigOption('GDAL_HTTP_MAX_RETRY', '4'))):
        yield pause
        pause *= 2


def call_again(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function that reads, again where it fails and servers are in use.

    Args:
        function: Reads; may be called several times.
        *args: Handed on.
        **kwargs: Handed on.

    Returns:
        What it returns.

    Raises:
        RuntimeError: As the function raises it, from the last try.
    """
    if _in_use:
        gdal, _ = gdal_modules()
        for pause in _pauses():
            try:
                return function(*args, **kwargs)
            except GDAL_ERRORS as error:
                if is_final(str(error)):
                    raise
            time.sleep(pause)
            gdal.VSICurlClearCache()
    return function(*args, **kwargs)


def is_final(message: str) -> bool:
    """Return whether it is no use to ask again.

    The server has said no, or GDAL has asked again already.
    """
    return 'HTTP response code: ' in message or 'timed out' in message

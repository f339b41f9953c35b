"""Rasters behind an address: what they are called for GDAL, and what is said when one fails."""

import os
import re
from typing import Any

from swimdiff.datasets.geo import GDAL_ERRORS, call_again, gdal_modules, use_network
from swimdiff.errors import RasterError

__all__ = [
    'ask_why',
    'describe_remote',
    'explain_failure',
    'gdal_path',
    'is_remote',
    'open_remote',
    'shown_name',
]

_SCHEMES = {
    'http://': '/vsicurl/http://',
    'https://': '/vsicurl/https://',
    's3://': '/vsis3/',
    'gs://': '/vsigs/',
    'az://': '/vsiaz/',
}
_FILE_SYSTEMS = ('/vsicurl', '/vsis3/', '/vsigs/', '/vsiaz/')


def is_remote(name: str) -> bool:
    """Return whether an input is behind an address rather than on a disk."""
    return name.startswith((*_SCHEMES, *_FILE_SYSTEMS))


def gdal_path(name: str) -> str:
    """Return an address as GDAL opens it.

    ``https://...`` becomes ``/vsicurl/https://...``.
    """
    for scheme, system in _SCHEMES.items():
        if name.startswith(scheme):
            return system + name.removeprefix(scheme)
    return name


def shown_name(name: str) -> str:
    """Return a name for messages: a signature in an address stays secret."""
    if not is_remote(name):
        return name
    return re.sub(r'\?.*', '?...', name.removeprefix('/vsicurl/'))


def open_remote(name: str) -> Any:
    """Open a raster behind an address.

    Args:
        name: ``http(s)://``, ``s3://``, ``gs://``, ``az://`` or a path of GDAL.

    Returns:
        GDAL's data set.

    Raises:
        RasterError: It cannot be reached or read; says why.
    """
    gdal, _ = gdal_modules()
    use_network()
    try:
        return call_again(gdal.OpenEx, gdal_path(name), gdal.OF_READONLY | gdal.OF_RASTER)
    except GDAL_ERRORS as error:
        raise explain_failure(name, str(error)) from error


def describe_remote(name: str) -> str:
    """Return what shows whether a remote file is the same: size, ETag or time.

    Raises:
        RasterError: It cannot be reached.
    """
    gdal, _ = gdal_modules()
    use_network()
    path = gdal_path(name)
    # An answer that an earlier failure has left would be believed otherwise.
    gdal.VSICurlPartialClearCache(path)
    gdal.ErrorReset()
    try:
        about = gdal.VSIStatL(path)
    except GDAL_ERRORS as error:
        raise explain_failure(name, str(error)) from error
    if about is None:
        raise explain_failure(name, ask_why(path))
    headers = gdal.GetFileMetadata(path, 'HEADERS') or {}
    tags = {key.lower(): value for key, value in headers.items()}
    return f'{about.size} {tags.get("etag") or tags.get("last-modified") or about.mtime}'


def ask_why(path: str) -> str:
    """Return why a file is not there; asking for its state alone does not say."""
    gdal, _ = gdal_modules()
    try:
        gdal.VSICurlPartialClearCache(path)
        gdal.OpenEx(path, gdal.OF_READONLY | gdal.OF_RASTER)
    except GDAL_ERRORS as error:
        return str(error)
    return gdal.GetLastErrorMsg()


def explain_failure(name: str, detail: str) -> RasterError:
    """Return the error for an address that failed.

    Args:
        name: The address.
        detail: GDAL's words.
    """
    gdal, _ = gdal_modules()
    code = re.search(r'HTTP response code: (\d+)', detail)
    number = int(code[1]) if code else 0
    if number in (404, 410):
        why = f'the server has no such file (HTTP {number}). Check the address'
    elif number in (401, 403):
        why = (
            f'the server refuses it (HTTP {number}). Give credentials through the environment '
            '(GDAL_HTTP_HEADERS, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ...), or sign the '
            'address again if its signature has run out'
        )
    elif 'not recognized' not in detail:
        tries = 1 + int(gdal.GetConfigOption('GDAL_HTTP_MAX_RETRY', '0'))
        seconds = gdal.GetConfigOption('GDAL_HTTP_TIMEOUT', '?')
        why = (
            f'the server did not deliver it in {tries} tries of at most {seconds} s each '
            f'({detail}). Try again later, or with a larger GDAL_HTTP_TIMEOUT and '
            'GDAL_HTTP_MAX_RETRY in the environment'
        )
    else:
        why = f'{detail}. Expected a raster that GDAL reads, such as a Cloud-Optimised GeoTIFF'
    return RasterError(f'{shown_name(os.fspath(name))} cannot be read: {why}.')

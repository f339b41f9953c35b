"""Fetching one file over HTTP: resumed after a break, never mixed from two versions, verified.

What has been loaded lies in ``NAME.part``, beside it a small record of what the server said of the
file (``NAME.part.json``). A later request asks for the rest only (``Range``) and only if the file
is still the same (``If-Range``); a server that cannot do this sends it whole, from the start.
"""

import errno
import hashlib
import http.client
import json
import math
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from mmengine.logging import print_log

from swimdiff.downloads.table import RemoteFile
from swimdiff.errors import ConfigError, DownloadError
from swimdiff.files import replace_file, replace_text
from swimdiff.progress import track
from swimdiff.version import __version__

__all__ = ['FetchOptions', 'check_space', 'check_sum', 'fetch_file', 'is_full']

_BLOCK = 1 << 20
#: Statuses after which the same request may succeed a little later.
_LATER = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class FetchOptions:
    """Say how patient a download is, and where else the files are.

    Args:
        timeout: Seconds without a byte after which a connection counts as broken.
        tries: Attempts in a row that may bring nothing before it is given up.
        pause: Seconds before the second attempt; doubled for each further one.
        mirror: Address of a folder with the same files, asked in place of the published ones.
    """

    timeout: float = 60.0
    tries: int = 5
    pause: float = 1.0
    mirror: str | None = None

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.tries < 1 or self.pause < 0:
            raise ConfigError(
                f'timeout={self.timeout:g}, tries={self.tries}, pause={self.pause:g}: expected '
                'a timeout above 0 s, one try at least, and a pause of 0 s or more.'
            )
        if self.mirror is not None and urlsplit(self.mirror).scheme not in ('http', 'https'):
            raise ConfigError(
                f'mirror={self.mirror!r}: expected an address http://... or https://... of a '
                'folder. Archives on a disk are named with archives (--archives DIR).'
            )


class _Broken(Exception):
    """A connection that broke, and may be tried again."""


class _Changed(_Broken):
    """A file that is another one than that of which a part is here."""


class _Refused(Exception):
    """An answer that another attempt will not change."""


@dataclass(frozen=True)
class _Record:
    """What a server said of the file of which a part is on the disk."""

    url: str = ''
    etag: str = ''
    modified: str = ''
    total: int | None = None

    @property
    def validator(self) -> str:
        """The value for If-Range: a weak ETag does not promise the same bytes (RFC 9110)."""
        return self.etag if self.etag and not self.etag.startswith('W/') else self.modified


def _read_record(path: Path) -> _Record:
    try:
        return _Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return _Record()


def check_space(folder: Path, need: float, what: str) -> None:
    """Refuse what does not fit before a byte of it is written.

    Args:
        folder: Where it would be written; exists.
        need: Bytes.
        what: Name of what needs them.

    Raises:
        DownloadError: Less is free.
    """
    free = shutil.disk_usage(folder).free
    if need > free:
        raise DownloadError(
            f'{what} needs {need / 1e9:.2f} GB in {folder}, where {free / 1e9:.2f} GB are free. '
            'Make room and run the same command again, or name a folder on a larger disk (--to).'
        )


def is_full(error: OSError) -> bool:
    """Tell whether an error says that a disk, or somebody's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fetch_file(file: RemoteFile, folder: Path, options: FetchOptions) -> tuple[Path, str]:
    """Fetch a file, or what is still missing of it, and verify it.

    Args:
        file: What to fetch.
        folder: Where it is put, and where an earlier part of it may lie.
        options: Patience and mirror.

    Returns:
        The file, whole and of the published checksum where there is one; the sum it has.

    Raises:
        DownloadError: No address has it, the connection stays broken, the disk is full, or the
            content is not the published one.
    """
    target = folder / file.name
    if not target.is_file():
        part = folder / f'{file.name}.part'
        urls = file.urls
        if options.mirror is not None:
            urls = (f'{options.mirror.rstrip("/")}/{quote(file.name)}',)
        refusals: list[str] = []
        for url in urls:
            try:
                _load(url, part, options, file.checksum is not None)
                break
            except _Refused as refusal:
                refusals.append(f'{url}: {refusal}')
        else:
            raise DownloadError(
                f'{file.name} cannot be had. ' + ' '.join(refusals) + ' Run the same command again '
                'later, name another address (--mirror URL), or get the file by hand and name its '
                'folder (--archives DIR).'
            )
        replace_file(part, target)
        part.with_name(f'{part.name}.json').unlink(missing_ok=True)
    return target, check_sum(target, file)


def check_sum(path: Path, file: RemoteFile, ours: bool = True) -> str:
    """Compare a file with the published checksum; print the sum if none is published.

    Args:
        path: The file on disk.
        file: What it should be.
        ours: Delete the file where it is another, so that the next call loads it again.

    Returns:
        The sum that was found, ``md5:...`` or ``sha256:...``.

    Raises:
        DownloadError: The file is not the published one.
    """
    method, _, expected_checksum = (file.checksum or 'sha256:').partition(':')
    digest = hashlib.new(method, usedforsecurity=False)
    with path.open('rb') as handle:
        size = os.fstat(handle.fileno()).st_size
        blocks = iter(lambda: handle.read(_BLOCK), b'')
        for block in track(blocks, math.ceil(size / _BLOCK), f'Verifying {file.name} (MiB)'):
            digest.update(block)
    checksum_found = digest.hexdigest()
    if not expected_checksum:
        print_log(
            f'{file.name}: no checksum is published that we know of ({file.source}); not verified. '
            f'{method} of what came: {checksum_found}',
            'current',
        )
    elif checksum_found != expected_checksum:
        if ours:
            path.unlink()
        raise DownloadError(
            f'{path} is not the published file: expected {method} {expected_checksum} '
            f'({file.source}), found {checksum_found} in {size} bytes. '
            + (
                'It was deleted; run the same command again. If it comes with the same sum again, '
                'the file has changed at its address: tell us both sums.'
                if ours
                else 'Get it again, or leave it out of the folder to have it downloaded.'
            )
        )
    return f'{method}:{checksum_found}'


def _load(url: str, part: Path, options: FetchOptions, verified: bool) -> None:
    """Bring the part to its full length, over as many connections as it takes.

    Raises:
        _Refused: The address has not the file, or never answers.
        DownloadError: The connection stays broken midway, or the disk is full.
    """
    idle = 0
    while True:
        before = _size(part)
        try:
            return _request(url, part, options.timeout, verified)
        except _Broken as broken:
            last = str(broken)
        except OSError as error:
            if not is_full(error):
                raise
            raise DownloadError(
                f'{part}: the disk is full ({error.strerror}). What was loaded is kept: make room '
                'and run the same command again, or name a folder on a larger disk (--to).'
            ) from error
        after = _size(part)
        idle = 0 if after > before else idle + 1
        if idle >= options.tries and not after:
            raise _Refused(f'{last}, {options.tries} times.')
        if idle >= options.tries:
            raise DownloadError(
                f'{url}: {last}, {options.tries} times without a byte more; {after} bytes are kept '
                f'in {part}. Run the same command again to go on (--timeout and --tries make it '
                'more patient).'
            )
        wait = options.pause * 2 ** max(idle - 1, 0)
        print_log(f'{url}: {last}; going on at byte {after} in {wait:g} s', 'current')
        time.sleep(wait)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _request(url: str, part: Path, timeout: float, verified: bool) -> None:
    """Ask once for what is missing, and append it."""
    notes = part.with_name(f'{part.name}.json')
    have, old_record = _size(part), _read_record(notes)
    if have and old_record.url == url and old_record.total == have:
        return
    # Of a file that may have changed and is not verified, two versions might be put together.
    if old_record.url != url or not (old_record.validator or verified):
        have = 0
    headers = {'User-Agent': f'swimdiff/{__version__}', 'Accept-Encoding': 'identity'}
    if have:
        headers['Range'] = f'bytes={have}-'
    if have and old_record.validator:
        headers['If-Range'] = old_record.validator
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            record, start = _judge(response, old_record, url, have)
            if not start:
                # The note goes first: a part beside the note of another version would be trusted.
                part.unlink(missing_ok=True)
                replace_text(notes, json.dumps(vars(record)))
            check_space(part.parent, (record.total or 0) - start, part.name.removesuffix('.part'))
            # Not `open_whole`: what a broken connection leaves is kept, and gone on with.
            with open(part, 'ab') as handle:
                _copy(response, handle, record.total, start, part.name.removesuffix('.part'))
    except _Changed:
        part.unlink(missing_ok=True)
        raise
    except urllib.error.HTTPError as error:
        with error:
            answer = f'the server answered {error.code} {error.reason}'
            if error.code == 416:  # the file has become shorter than what there is of it
                part.unlink(missing_ok=True)
            if error.code == 416 or error.code in _LATER:
                raise _Broken(answer) from error
            raise _Refused(f'{answer}.') from error
    except urllib.error.URLError as error:
        raise _Broken(f'no connection ({error.reason})') from error
    except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
        raise _Broken(f'the connection broke ({error or type(error).__name__})') from error
    size = _size(part)
    if record.total is not None and size < record.total:
        raise _Broken(f'the connection ended at byte {size} of {record.total}')


def _judge(response: Any, known: _Record, url: str, have: int) -> tuple[_Record, int]:
    """Return what the server says of the file, and the byte at which its answer begins."""
    if response.headers.get_content_type() == 'text/html':
        raise _Refused('the server answered with a web page: the file has moved, or needs a login.')
    if response.status == 206:
        # "bytes 1000-4999/5000"; anything else than the rest that was asked for is no use.
        span, _, total = (response.headers.get('Content-Range') or '').partition('/')
        start = span.removeprefix('bytes ').partition('-')[0]
        if start != str(have) or not total.isdigit():
            raise _Refused(f'the server answered with an odd range ({span}/{total}).')
        if known.total not in (None, int(total)):
            raise _Changed(f'the file has {total} bytes now, and had {known.total}')
        return replace(known, total=int(total)), have
    length = response.headers.get('Content-Length')
    return (
        _Record(
            url,
            response.headers.get('ETag') or '',
            response.headers.get('Last-Modified') or '',
            int(length) if length and length.isdigit() else None,
        ),
        0,
    )


def _copy(response: Any, handle: BinaryIO, total: int | None, start: int, name: str) -> None:
    """Write an answer to disk as it comes, with progress in MiB."""

    def write_blocks() -> Iterator[None]:
        # What came before a break is on the disk: pieces are written as they come, and the
        # display, which counts items, gets one per MiB.
        uncounted_bytes = 0
        while piece := response.read1(_BLOCK):
            handle.write(piece)
            uncounted_bytes += len(piece)
            while uncounted_bytes >= _BLOCK:
                uncounted_bytes -= _BLOCK
                yield

    items: Iterator[None] = write_blocks()
    if total is not None:
        mib_done = start // _BLOCK
        items = track(
            items, math.ceil((total - start) / _BLOCK) + mib_done, f'{name} (MiB)', mib_done
        )
    for _ in items:
        pass

"""Fetching against a server of our own: ranges, breaks, changed files, full disks, bad answers."""

import errno
import hashlib
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from fixtures.servers import serve

from swimdiff.downloads import FetchOptions, RemoteFile, fetching
from swimdiff.downloads.fetching import fetch_file
from swimdiff.errors import ConfigError, DownloadError

#: More than two blocks, and no whole number of them.
DATA = random.Random(0).randbytes(2_500_000)
OTHER = random.Random(1).randbytes(2_500_000)
SUM = f'md5:{hashlib.md5(DATA).hexdigest()}'
QUICK = FetchOptions(timeout=5, tries=3, pause=0)


@pytest.fixture
def server():
    with serve(data=DATA) as habits:
        yield habits


def remote(server, checksum=SUM, name='data', *more):
    return RemoteFile(name, (f'{server.url}/{name}?download=1', *more), 'this test', checksum)


def ranges(server):
    return [headers.get('Range') for _, headers in server.seen]


def test_comes_whole_and_is_not_asked_for_twice(server, tmp_path):
    path, found = fetch_file(remote(server), tmp_path, QUICK)
    assert path.read_bytes() == DATA and found == SUM
    fetch_file(remote(server), tmp_path, QUICK)
    assert ranges(server) == [None]
    assert [file.name for file in tmp_path.iterdir()] == ['data']


def test_goes_on_after_dropped_connections(server, tmp_path):
    server.cuts = [1_200_000, 0, 0, 7, 900_000]
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA
    expected = [None, 1_200_000, 1_200_000, 1_200_000, 1_200_007, 2_100_007]
    assert ranges(server) == [start and f'bytes={start}-' for start in expected]
    assert {headers.get('If-Range') for _, headers in server.seen[1:]} == {'"one"'}


def test_gives_up_where_nothing_comes_and_goes_on_when_called_again(server, tmp_path):
    server.cuts = [1_000_000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r'1000000 of 2500000, 3 times .*--timeout'):
        fetch_file(remote(server), tmp_path, QUICK)
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA
    assert ranges(server)[-1] == 'bytes=1000000-'


def test_a_server_without_ranges_sends_it_again(server, tmp_path):
    server.ranges, server.cuts = False, [1_200_000]
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA


@pytest.mark.parametrize('checksum', [SUM, None])
@pytest.mark.parametrize('etag, modified', [('', ''), ('W/"weak"', ''), ('', 'Mon, 01 Jan 2024')])
def test_two_versions_are_never_mixed(server, tmp_path, etag, modified, checksum):
    """Old bytes lie on the disk, of a server that says little about versions."""
    server.etag, server.modified, server.cuts = etag, modified, [1_200_000, 0, 0, 0]
    server.files['data'] = OTHER
    with pytest.raises(DownloadError):
        fetch_file(remote(server, checksum), tmp_path, QUICK)
    server.files['data'] = DATA
    server.modified = modified and 'Tue, 02 Jan 2024'
    if checksum and not modified:  # nothing but the sum can tell; the next call starts again
        with pytest.raises(DownloadError, match='not the published file'):
            fetch_file(remote(server, checksum), tmp_path, QUICK)
    assert fetch_file(remote(server, checksum), tmp_path, QUICK)[0].read_bytes() == DATA


def test_a_changed_file_starts_from_the_beginning(server, tmp_path):
    server.files['data'], server.cuts = OTHER, [1_200_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch_file(remote(server), tmp_path, QUICK)
    server.files['data'], server.etag = DATA, '"two"'
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA


@pytest.mark.parametrize('size', [800_000, 2_600_000])
def test_another_length_without_a_version_starts_again(server, tmp_path, size):
    """Shorter than the part (416) or longer than the file was (another total)."""
    server.etag, server.files['data'], server.cuts = '', OTHER, [1_200_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch_file(remote(server), tmp_path, QUICK)
    data = (DATA * 2)[:size]
    server.files['data'] = data
    file = remote(server, f'md5:{hashlib.md5(data).hexdigest()}')
    assert fetch_file(file, tmp_path, QUICK)[0].read_bytes() == data


def test_a_part_that_is_complete_needs_no_request(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, 'replace_file', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # killed between the last byte and the new name
        fetch_file(remote(server), tmp_path, QUICK)
    monkeypatch.undo()
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA
    assert len(server.seen) == 1


def test_ranges_survive_a_redirect(server, tmp_path):
    server.moved, server.files['old/data'], server.cuts = 'old/', DATA, [1_200_000]
    file = RemoteFile('data', (f'{server.url}/old/data',), 'this test', SUM)
    assert fetch_file(file, tmp_path, QUICK)[0].read_bytes() == DATA
    assert [start for start in ranges(server) if start] == ['bytes=1200000-'] * 2


def test_wrong_checksum_names_both_sums_and_leaves_nothing(server, tmp_path):
    server.files['data'] = OTHER
    theirs = hashlib.md5(OTHER).hexdigest()
    with pytest.raises(DownloadError, match=rf'(?s)md5 {SUM[4:]} \(this test\).*{theirs}.*deleted'):
        fetch_file(remote(server), tmp_path, QUICK)
    assert not list(tmp_path.iterdir())
    server.files['data'] = DATA  # the advice: run the same command again
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA


def test_without_a_checksum_the_sum_is_printed(server, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(fetching, 'print_log', lambda text, *_: said.append(text))
    fetch_file(remote(server, None), tmp_path, QUICK)
    assert (
        len(said) == 1 and hashlib.sha256(DATA).hexdigest() in said[0] and 'no checksum' in said[0]
    )


def test_not_found_names_the_address_and_the_ways_out(server, tmp_path):
    with pytest.raises(
        DownloadError, match=r'(?s)gone\?download=1: .* 404 .*--mirror.*--archives|404'
    ):
        fetch_file(remote(server, SUM, 'gone'), tmp_path, QUICK)
    assert len(server.seen) == 1


def test_the_next_address_is_tried(server, tmp_path):
    file = RemoteFile('data', (f'{server.url}/gone', f'{server.url}/data'), 'this test', SUM)
    assert fetch_file(file, tmp_path, QUICK)[0].read_bytes() == DATA


def test_a_login_page_is_no_archive(server, tmp_path):
    server.kind = 'text/html; charset=utf-8'
    with pytest.raises(DownloadError, match='web page: the file has moved, or needs a login'):
        fetch_file(remote(server, None), tmp_path, QUICK)
    assert not list(tmp_path.iterdir())


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.statuses = [503, 429]
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA


def test_a_slow_answer_breaks_at_the_timeout(server, tmp_path):
    server.delay = 1.0
    with pytest.raises(DownloadError, match=r'timed out\), 2 times'):
        fetch_file(remote(server), tmp_path, FetchOptions(timeout=0.1, tries=2, pause=0))
    patient = FetchOptions(timeout=30, tries=2, pause=0)  # the advice
    server.delay = 0.3
    assert fetch_file(remote(server), tmp_path, patient)[0].read_bytes() == DATA


def test_no_server_at_all(tmp_path):
    with serve() as server:
        pass
    with pytest.raises(DownloadError, match='no connection'):
        fetch_file(remote(server), tmp_path, QUICK)


def test_what_does_not_fit_is_refused_before_a_byte_is_written(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=2_000_000))
    with pytest.raises(DownloadError, match=r'0\.00 GB are free.*larger disk'):
        fetch_file(remote(server), tmp_path, QUICK)
    assert not (tmp_path / 'data.part').exists()


def test_a_disk_that_fills_up_keeps_what_was_loaded(server, tmp_path, monkeypatch):
    class Full:
        def __init__(self, file):
            self.file, self.room = file, 1_500_000

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            self.file.write(data[: self.room])
            if len(data) > self.room:
                raise OSError(errno.ENOSPC, 'No space left on device')
            self.room -= len(data)

    monkeypatch.setattr(fetching, 'open', lambda *args: Full(Path.open(*args)), raising=False)
    with pytest.raises(DownloadError, match=r'disk is full.*kept: make room'):
        fetch_file(remote(server), tmp_path, QUICK)
    monkeypatch.undo()
    assert fetch_file(remote(server), tmp_path, QUICK)[0].read_bytes() == DATA
    assert ranges(server) == [None, 'bytes=1500000-']


@pytest.mark.parametrize(
    'options', [dict(timeout=0), dict(tries=0), dict(pause=-1), dict(mirror='/data')]
)
def test_wrong_options(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        FetchOptions(**options)

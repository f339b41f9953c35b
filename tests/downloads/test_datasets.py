"""Whole data sets: what is there is left alone, what broke off goes on, nothing is overwritten."""

import fcntl
import hashlib
import io
import re
import shutil
import zipfile
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from fixtures.servers import serve

from swimdiff.downloads import (
    PUBLISHED,
    FetchOptions,
    RemoteArchive,
    RemoteDataset,
    RemoteFile,
    datasets,
    describe_size,
    download_dataset,
    plan_download,
)
from swimdiff.errors import ConfigError, DownloadError
from swimdiff.launch.paths import config_root

QUICK = FetchOptions(timeout=5, tries=2, pause=0)


def packed(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, 'w') as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


ONE = packed({'one/a.tif': b'a' * 50_000, 'one/b.tif': b'b'})
TWO = packed({'two/c.tif': b'c'})


@pytest.fixture
def server(monkeypatch):
    """Two archives, ``one.zip`` and ``two.zip``, known by the name ``pair``."""
    with serve() as habits:
        habits.files = {'one.zip': ONE, 'two.zip': TWO}

        def archive(name, data):
            checksum = f'md5:{hashlib.md5(data).hexdigest()}'
            file = RemoteFile(
                f'{name}.zip', (f'{habits.url}/{name}.zip',), 'here', checksum, len(data)
            )
            return RemoteArchive((file,), (f'{name}/',))

        pair = (archive('one', ONE), archive('two', TWO))
        dataset = RemoteDataset('pair', 'two archives', 'here', 'data/pair', '{root}', pair)
        monkeypatch.setitem(PUBLISHED, 'pair', dataset)
        yield habits


def names(server):
    return [path for path, _ in server.seen]


def files(root):
    found = (path.relative_to(root) for path in root.rglob('*') if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != '.download')


ALL = ['one/a.tif', 'one/b.tif', 'two/c.tif']


def test_comes_into_place_once(server, tmp_path):
    root = tmp_path / 'new' / 'pair'
    assert download_dataset('pair', root, QUICK) == root
    assert files(root) == ALL
    assert not list((root / '.download').glob('*.zip'))
    download_dataset('pair', root, QUICK)
    assert names(server) == ['one.zip', 'two.zip']


def test_only_some_archives_and_the_rest_later(server, tmp_path):
    download_dataset('pair', tmp_path, QUICK, only=['tw*'], keep=True)
    assert files(tmp_path) == ALL[2:] and (tmp_path / '.download/two.zip').read_bytes() == TWO
    assert [archive.name for archive in plan_download('pair', tmp_path).missing] == ['one.zip']
    download_dataset('pair', tmp_path, QUICK)
    assert files(tmp_path) == ALL and names(server) == ['two.zip', 'one.zip']


@pytest.mark.parametrize(
    'stop', ['unpack_archive', 'find_conflicts', 'move_entries', 'replace_text']
)
def test_goes_on_after_a_stop_anywhere(server, tmp_path, monkeypatch, stop):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(datasets, stop, interrupt)
        download_dataset('pair', tmp_path, QUICK)
    download_dataset('pair', tmp_path, QUICK)
    assert files(tmp_path) == ALL and names(server) == ['one.zip', 'two.zip']


def test_half_unpacked_files_never_count(server, tmp_path, monkeypatch):
    real = datasets.unpack_archive

    def stop_midway(parts, name, staged, into):
        (staged / 'one').mkdir(parents=True)
        (staged / 'one/a.tif').write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, 'unpack_archive', stop_midway)
    with pytest.raises(KeyboardInterrupt):
        download_dataset('pair', tmp_path, QUICK)
    assert files(tmp_path) == []
    monkeypatch.setattr(datasets, 'unpack_archive', real)
    download_dataset('pair', tmp_path, QUICK)
    assert files(tmp_path) == ALL and names(server) == ['one.zip', 'two.zip']
    assert (tmp_path / 'one/a.tif').read_bytes() == b'a' * 50_000


def test_files_of_the_user_are_never_overwritten(server, tmp_path):
    (tmp_path / 'one').write_bytes(b'mine')
    with pytest.raises(DownloadError, match=r'one\.zip would overwrite 1 files, .*one for one'):
        download_dataset('pair', tmp_path, QUICK)
    assert (tmp_path / 'one').read_bytes() == b'mine'
    (tmp_path / 'one').rename(tmp_path / 'away')  # the advice
    download_dataset('pair', tmp_path, QUICK)
    assert files(tmp_path) == ['away', *ALL] and names(server) == ['one.zip', 'two.zip']


def test_archives_by_hand_are_verified_and_left(server, tmp_path):
    hand = tmp_path / 'hand'
    hand.mkdir()
    (hand / 'one.zip').write_bytes(ONE[:-1])
    with pytest.raises(DownloadError, match=r'hand/one\.zip is not the published file'):
        download_dataset('pair', tmp_path / 'to', QUICK, archives=hand)
    (hand / 'one.zip').write_bytes(ONE)
    download_dataset('pair', tmp_path / 'to', QUICK, archives=hand)
    assert files(tmp_path / 'to') == ALL and names(server) == ['two.zip']
    assert (hand / 'one.zip').read_bytes() == ONE
    with pytest.raises(ConfigError, match='no such folder'):
        download_dataset('pair', tmp_path / 'else', QUICK, archives=tmp_path / 'none')


def test_an_archive_of_another_layout_is_named(server, tmp_path):
    data = packed({'three/c.tif': b'c'})
    server.files['two.zip'] = data
    dataset = PUBLISHED['pair']
    file = RemoteFile('two.zip', (f'{server.url}/two.zip',), 'here')
    changed = RemoteArchive((file,), ('two/',))
    PUBLISHED['pair'] = RemoteDataset('pair', '', '', '', '', (dataset.archives[0], changed))
    with pytest.raises(DownloadError, match=r'two\.zip holds no two/; found three'):
        download_dataset('pair', tmp_path, QUICK)


def test_space_is_checked_before_the_first_request(server, tmp_path, monkeypatch):
    need = plan_download('pair', tmp_path).need
    # Both are unpacked; the second archive comes when the first is gone, but is far smaller.
    assert need == pytest.approx(2.1 * len(ONE))
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=need - 1))
    with pytest.raises(DownloadError, match=r'pair \(archives and unpacked files\) needs'):
        download_dataset('pair', tmp_path, QUICK)
    assert server.seen == []


def test_two_processes_do_not_write_one_folder(server, tmp_path):
    (tmp_path / '.download').mkdir()
    with (tmp_path / '.download/lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match='another process is downloading'):
            download_dataset('pair', tmp_path, QUICK)


def test_wrong_names(server, tmp_path):
    with pytest.raises(ConfigError, match='Nearest: seco-100k, seco-1m'):
        plan_download('SeCo')
    with pytest.raises(ConfigError, match=r'no archive of pair is like x\*; it has one.zip, two'):
        plan_download('pair', only=['x*'])
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigError, match='cannot be made: Not a directory'):
        download_dataset('pair', tmp_path / 'file' / 'below', QUICK)
    with pytest.raises(ConfigError, match='is a file'):
        plan_download('pair', tmp_path / 'file')
    with pytest.raises(DownloadError, match=r'(?s)without a person: https://github.*Google Drive'):
        download_dataset('s2looking', tmp_path)


def test_the_table_holds_together():
    """Names, sums and addresses are well formed, and its folders are those of the configs."""
    configs = ' '.join(path.read_text() for path in config_root().rglob('*.py'))
    lengths = dict(md5=32, sha256=64)
    for name, dataset in PUBLISHED.items():
        assert dataset.name == name and '{root}' in dataset.use
        assert dataset.archives or dataset.by_hand
        assert re.search(rf"['\":]{dataset.folder}[}}']", configs), dataset.folder
        seen = [file for archive in dataset.archives for file in archive.parts]
        assert len({file.name for file in seen}) == len(seen)
        for file in seen:
            assert file.urls and file.source
            assert all(urlsplit(url).scheme == 'https' for url in file.urls)
            if file.checksum:
                method, _, digest = file.checksum.partition(':')
                assert re.fullmatch(rf'[0-9a-f]{{{lengths[method]}}}', digest)


def test_sizes_in_words():
    sizes = [None, 0, 999, 1500, 7.3e9, 1.5e12, 2e16]
    words = ['size unknown', '0 B', '999 B', '1.5 kB', '7.3 GB', '1.5 TB', '20000 TB']
    assert [describe_size(size) for size in sizes] == words

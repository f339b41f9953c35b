"""Unpacking: the same files for every kind, nothing outside the folder, whole or not at all."""

import gzip
import io
import os
import shutil
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from swimdiff.downloads.unpacking import find_conflicts, move_entries, unpack_archive
from swimdiff.errors import DownloadError

FILES = {'top/a/one.tif': b'1' * 70_000, 'top/b/two.tif': os.urandom(200_000), 'list.txt': b'x\n'}


def write_zip(path, files=FILES):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as packed:
        packed.writestr('top/empty/', '')
        for name, data in files.items():
            packed.writestr(name, data)
    return path


def write_tar(path, files=FILES, mode='w:gz', change=None):
    with tarfile.open(path, mode) as packed:
        folder = tarfile.TarInfo('./top/empty')
        folder.type = tarfile.DIRTYPE
        packed.addfile(folder)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0
            if change:
                change(entry)
            packed.addfile(entry, io.BytesIO(data))
    return path


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


@pytest.mark.parametrize('name', ['a.zip', 'a.tar.gz', 'a.tgz', 'a.tar', 'a.tar.gzaa'])
def test_every_kind_gives_the_same_files(tmp_path, name):
    path = tmp_path / name
    if name == 'a.zip':
        parts = [write_zip(path)]
    else:
        write_tar(path, mode='w' if name == 'a.tar' else 'w:gz')
        parts = [path]
    if name.endswith('aa'):  # split in the middle of nowhere, as `split` does
        data, second = path.read_bytes(), tmp_path / 'a.tar.gzab'
        path.write_bytes(data[:100_001])
        second.write_bytes(data[100_001:])
        parts.append(second)
    unpack_archive(parts, name, tmp_path / 'out', 'train')
    assert content(tmp_path / 'out' / 'train') == FILES
    assert (tmp_path / 'out/train/top/empty').is_dir()


def test_packed_and_plain_single_files(tmp_path):
    with gzip.open(tmp_path / 'train.csv.gz', 'wb') as packed:
        packed.write(b'a\nb\n')
    unpack_archive([tmp_path / 'train.csv.gz'], 'train.csv.gz', tmp_path / 'one')
    assert content(tmp_path / 'one') == {'train.csv': b'a\nb\n'}
    unpack_archive([tmp_path / 'one/train.csv'], 'metadata.parquet', tmp_path / 'two')
    assert content(tmp_path / 'two') == {'metadata.parquet': b'a\nb\n'}


@pytest.mark.parametrize(
    'name', ['../out.txt', '/out.txt', 'a/../../out.txt', 'C:/out', 'a\\..\\b']
)
@pytest.mark.parametrize('write, kind', [(write_zip, 'a.zip'), (write_tar, 'a.tar.gz')])
def test_entries_that_leave_the_folder_are_refused(tmp_path, write, kind, name):
    before = tmp_path / 'inner'
    before.mkdir()
    write(before / kind, {'fine.txt': b'1', name: b'2'})
    with pytest.raises(DownloadError, match='leads out of the folder'):
        unpack_archive([before / kind], kind, before / 'out')
    assert not list(tmp_path.rglob('out.txt')) and not (before / 'b').exists()


@pytest.mark.parametrize('kind', [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    def change(entry):
        entry.type, entry.linkname, entry.size = kind, '/etc/passwd', 0

    path = write_tar(tmp_path / 'a.tar.gz', {'link': b''}, change=change)
    with pytest.raises(DownloadError, match="'link', which is"):
        unpack_archive([path], 'a.tar.gz', tmp_path / 'out')


def test_links_in_zips_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as packed:
        entry = zipfile.ZipInfo('link')
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        packed.writestr(entry, '/etc')
    with pytest.raises(DownloadError, match="'link', which is a link"):
        unpack_archive([tmp_path / 'a.zip'], 'a.zip', tmp_path / 'out')


@pytest.mark.parametrize('keep', [0.0, 0.3, 0.7, 0.97])
@pytest.mark.parametrize('write, kind', [(write_zip, 'a.zip'), (write_tar, 'a.tar.gz')])
def test_truncated_archives_are_named(tmp_path, write, kind, keep):
    path = write(tmp_path / kind)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DownloadError, match=rf'{kind} is damaged'):
        unpack_archive([path], kind, tmp_path / 'out')


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path):
    path = write_tar(tmp_path / 'a.tar', mode='w')
    data = bytearray(path.read_bytes())
    at = data.index(b'top/b/two.tif')
    data[at + 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DownloadError, match='damaged: no header'):
        unpack_archive([path], 'a.tar', tmp_path / 'out')


def test_flipped_bytes_in_a_zip_are_found(tmp_path):
    path = write_zip(tmp_path / 'a.zip')
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(DownloadError, match='damaged'):
        unpack_archive([path], 'a.zip', tmp_path / 'out')


def test_a_zip_that_does_not_fit_is_not_begun(tmp_path, monkeypatch):
    path = write_zip(tmp_path / 'a.zip')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=270_000))
    with pytest.raises(DownloadError, match=r'disk is full.*archive is kept'):
        unpack_archive([path], 'a.zip', tmp_path / 'out')
    assert path.exists() and not (tmp_path / 'out').exists()


def test_an_interrupted_move_goes_on(tmp_path, monkeypatch):
    staged, target = tmp_path / 'staged', tmp_path / 'target'
    unpack_archive([write_zip(tmp_path / 'a.zip')], 'a.zip', staged)
    (target / 'top/mine').mkdir(parents=True)
    real, moved = os.replace, []

    def replace(source, goal):
        if moved:
            raise KeyboardInterrupt
        moved.append(goal)
        real(source, goal)

    monkeypatch.setattr(os, 'replace', replace)
    with pytest.raises(KeyboardInterrupt):
        move_entries(staged, target)
    monkeypatch.undo()
    assert not find_conflicts(staged, target)
    move_entries(staged, target)
    assert content(target) == FILES and not staged.exists() and (target / 'top/mine').is_dir()


def test_what_would_be_overwritten_is_listed(tmp_path):
    staged, target = tmp_path / 'staged', tmp_path / 'target'
    unpack_archive([write_zip(tmp_path / 'a.zip')], 'a.zip', staged)
    (target / 'top/a').mkdir(parents=True)
    (target / 'top/a/one.tif').write_bytes(b'mine')
    (target / 'top/b').write_bytes(b'a file where a folder comes')
    assert find_conflicts(staged, target) == [target / 'top/a/one.tif', target / 'top/b']

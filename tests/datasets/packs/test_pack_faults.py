"""Damage, stops and full disks: an error or a pack that is made whole, never a wrong sample."""

import errno
import fcntl
import json
import multiprocessing
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fixtures.packs import content, pack_seco
from fixtures.seco import pattern, write_band

from swimdiff import files
from swimdiff.datasets import SeCo
from swimdiff.datasets.packs import builder as pack_builder
from swimdiff.datasets.packs import parts as pack_parts
from swimdiff.datasets.packs import read_manifest, verify_pack
from swimdiff.datasets.packs import writer as pack_writer
from swimdiff.errors import ConfigError, DataError, LayoutError, RasterError

LOAD = [dict(type='LoadPatch')]
RGB = ('B04', 'B03', 'B02')
SMALL = dict(bands=RGB, shard_bytes=2 * 3 * 264 * 264 + 200)


@pytest.fixture(scope='module')
def whole(shared_seco_root, tmp_path_factory):
    return pack_seco(shared_seco_root, tmp_path_factory.mktemp('whole') / 'pack', **SMALL)


@pytest.fixture
def pack(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / 'pack'))


def read_all(root, bands=RGB):
    dataset = SeCo(str(root), bands=bands, pipeline=LOAD)
    return [dataset[i]['img'] for i in range(len(dataset))]


def flip(path, position, bit=1):
    with open(path, 'r+b') as file:
        file.seek(position, os.SEEK_END if position < 0 else os.SEEK_SET)
        place = file.tell()
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ bit]))


# --- damage ------------------------------------------------------------------------------------


def test_flipped_byte_of_a_plane(pack):
    side = 264 * 264
    flip(pack / 'shard-00001.npy', 128 + 3 * side + side + 77, bit=0x10)
    dataset = SeCo(str(pack), pipeline=LOAD)
    for i in (0, 1, 2, 4, 5):
        dataset[i]
    with pytest.raises(RasterError, match=r'shard-00001\.npy is damaged .* band B03 of 000001/'):
        dataset[3]
    assert SeCo(str(pack), bands=['B02', 'B04'], pipeline=LOAD)[3]['img'].any()
    (message,) = verify_pack(pack)
    assert 'band B03 of 000001/' in message and f'bytes {128 + 4 * side} to' in message
    skipping = SeCo(str(pack), pipeline=LOAD, max_unreadable=0.9)
    assert skipping[3]['img'].any()


def test_every_flip_in_a_jpeg_is_an_error_or_no_change(shared_seco_root, tmp_path):
    pack = Path(pack_seco(shared_seco_root, tmp_path / 'pack', bands=['B04'], codec='jpeg'))
    expected = read_all(pack, ['B04'])
    shard = pack / 'shard-00000.npy'
    original, caught = shard.read_bytes(), 0
    for position in np.linspace(128, len(original) - 1, 60).astype(int).tolist():
        flip(shard, position, bit=0x04)
        try:
            found = read_all(pack, ['B04'])
        except RasterError:
            caught += 1
        else:
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
        shard.write_bytes(original)
    assert caught > 40


def test_truncated_and_missing_shard(pack):
    shard = pack / 'shard-00002.npy'
    opened = SeCo(str(pack), pipeline=LOAD)
    opened[4]
    os.truncate(shard, 2000)
    with pytest.raises(RasterError, match=r'shard-00002\.npy ends within a record'):
        opened[5]
    with pytest.raises(RasterError, match=r'Expected a shard of \d+ bytes; found 2000'):
        SeCo(str(pack), pipeline=LOAD)[4]
    shard.unlink()
    with pytest.raises(LayoutError, match=r'shard-00002\.npy is missing'):
        SeCo(str(pack), pipeline=LOAD)[4]
    assert len(verify_pack(pack, workers=2)) == 1


def test_a_damaged_shard_is_written_anew(pack, whole, shared_seco_root):
    (pack / 'shard-00001.npy').unlink()
    os.truncate(pack / 'shard-00000.npy', 5)
    pack_seco(shared_seco_root, pack, **SMALL)
    assert content(pack) == content(whole) and verify_pack(pack) == []


def test_flipped_byte_anywhere_in_the_index(pack):
    for path in sorted((pack / 'index').iterdir()):
        flip(path, -1)
        with pytest.raises(LayoutError, match=f'{path.name} is damaged'):
            len(SeCo(str(pack)))
        assert 'is damaged' in verify_pack(pack)[0]
        flip(path, -1)
    (pack / 'index' / 'first.npy').unlink()
    with pytest.raises(LayoutError, match=r'first\.npy is damaged.*No such file'):
        len(SeCo(str(pack)))


def test_a_damaged_index_is_made_anew(pack, whole, shared_seco_root):
    shards = {path: path.stat().st_mtime_ns for path in pack.glob('shard-*.npy')}
    for damage in (
        lambda path: flip(path, -1),
        lambda path: path.unlink(),
        lambda path: shutil.rmtree(path.parent),
    ):
        damage(pack / 'index' / 'column.start.npy')
        pack_seco(shared_seco_root, pack, **SMALL)
        assert content(pack) == content(whole) and verify_pack(pack) == []
    assert shards == {path: path.stat().st_mtime_ns for path in pack.glob('shard-*.npy')}


def test_flipped_byte_of_a_header(pack):
    for position in (0, 40, 127):
        flip(pack / 'shard-00001.npy', position)
        (message,) = verify_pack(pack)
        assert 'shard-00001.npy is damaged in its first 128 bytes' in message
        flip(pack / 'shard-00001.npy', position)
    assert verify_pack(pack) == []


def test_flipped_byte_anywhere_in_the_manifest(pack):
    path = pack / 'pack.json'
    text = path.read_text()
    digits = [i for i, letter in enumerate(text) if letter.isalnum()]
    for position in digits[:: len(digits) // 40]:
        flip(path, position)
        with pytest.raises(LayoutError, match=r'pack\.json is (damaged|of format)'):
            SeCo(str(pack))
        flip(path, position)
    assert path.read_text() == text
    for other in ('', '{}', '[]', text[:200]):
        path.write_text(other)
        with pytest.raises(LayoutError, match=r'pack\.json is damaged'):
            SeCo(str(pack))
    path.write_text(json.dumps(dict(json.loads(text), format=9)))
    with pytest.raises(LayoutError, match=r'is of format 9; this version reads 1'):
        SeCo(str(pack))


# --- stops -------------------------------------------------------------------------------------


def _pack_slowly(root, pack, options):
    write = pack_writer.Packer._planes

    def slow(packer, row):
        time.sleep(0.3)
        return write(packer, row)

    pack_writer.Packer._planes = slow
    pack_seco(root, pack, workers=2, **options)


def _children(pid):
    tasks = Path(f'/proc/{pid}/task').glob('*/children')
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='looks processes up in /proc')
def test_killed_in_the_middle(shared_seco_root, tmp_path, monkeypatch):
    """SIGKILL: the workers end too, nobody can read it, and the next run makes the same pack.

    Before that a second process is refused, and does not disturb the first.
    """
    pack = tmp_path / 'pack'
    options = dict(bands=RGB, shard_bytes=250_000)
    start = multiprocessing.get_context('fork').Process
    run = start(target=_pack_slowly, args=(shared_seco_root, pack, options))
    run.start()
    end = time.monotonic() + 120

    def wait_for(pattern, least):
        while len(list(pack.glob(pattern))) < least:
            assert run.is_alive() and time.monotonic() < end
            time.sleep(0.02)

    wait_for('.shard-*.partial', 1)
    with monkeypatch.context() as patch:
        patch.setattr(pack_builder, '_PATIENCE', 0.0)
        with pytest.raises(DataError, match=r'Another process is packing into'):
            pack_seco(shared_seco_root, pack, **options)
    wait_for('parts/shard-*.npz', 2)
    workers = _children(run.pid)
    run.kill()
    run.join()
    finished = {path: path.stat().st_mtime_ns for path in pack.glob('shard-*.npy')}
    assert 2 <= len(finished) < 6
    with pytest.raises(LayoutError, match='a pack that is not finished'):
        SeCo(str(pack))
    pack_seco(shared_seco_root, pack, **options)
    for worker in workers:
        with suppress(FileNotFoundError):
            assert Path(f'/proc/{worker}/stat').read_text().split()[2] == 'Z'
    parts = {path.stem for path in pack.glob('parts/*.npz')}
    assert len(parts) == 6
    kept = [path for path, stamp in finished.items() if path.stat().st_mtime_ns == stamp]
    assert len(kept) >= 2
    once = pack_seco(shared_seco_root, tmp_path / 'once', **options)
    assert content(pack) == content(once) and verify_pack(pack) == []


@pytest.mark.parametrize('stop', ['rows', 'replace', 'part', 'index', 'manifest'])
def test_stopped_anywhere(shared_seco_root, whole, tmp_path, monkeypatch, stop):
    """Between any two steps: what is there is an unfinished pack that the next run completes."""
    calls = []

    def stopping(real, least):
        def call(*args, **kwargs):
            calls.append(args)
            if len(calls) > least:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        where, name, least = dict(
            rows=(pack_writer.Packer, '_planes', 3),
            replace=(files.os, 'replace', 4),
            part=(pack_parts.Part, 'save', 1),
            index=(pack_builder, 'finish', 0),
            manifest=(pack_builder.Manifest, 'write', 1),
        )[stop]
        patch.setattr(where, name, stopping(getattr(where, name), least))
        with pytest.raises(KeyboardInterrupt):
            pack_seco(shared_seco_root, tmp_path / 'pack', **SMALL)
    with pytest.raises(LayoutError, match='not finished'):
        SeCo(str(tmp_path / 'pack'))
    assert not list((tmp_path / 'pack').glob('.*.partial'))
    pack_seco(shared_seco_root, tmp_path / 'pack', **SMALL)
    assert content(tmp_path / 'pack') == content(whole)


def test_stopped_before_the_first_manifest(shared_seco_root, whole, tmp_path):
    """Nothing but begun files of ours: gone on with. Anything else: refused, and left alone."""
    root = tmp_path / 'pack'
    (root / 'parts').mkdir(parents=True)
    begun = ('.pack.json.', '.index.', 'parts/.shard-00000.npz.')
    for name in begun:
        (root / f'{name}{"0" * 32}').write_text('')
    (root / '.shard-00000.npy.partial').write_text('')
    (root / '.shard-00001.npy.host-7.partial').write_text('')
    for name in ('mine.txt', '.pack.json.mine', 'parts/shard-00000.npz'):
        (root / name).write_text('')
        with pytest.raises(ConfigError, match='is no pack and not empty'):
            pack_seco(shared_seco_root, root, **SMALL)
        (root / name).unlink()
    assert len(list(root.glob('.*.0*'))) == 2
    pack_seco(shared_seco_root, root, **SMALL)
    assert content(root) == content(whole)
    assert not list(root.rglob(f'.*{"0" * 32}'))


def test_a_dead_worker_is_said(shared_seco_root, tmp_path, monkeypatch):
    def die(*_):
        if multiprocessing.parent_process():
            os._exit(9)

    monkeypatch.setattr(pack_writer.Packer, '_encode', die)
    with pytest.raises(DataError, match=r'a worker process died .* Run the command again'):
        pack_seco(shared_seco_root, tmp_path / 'pack', workers=2, **SMALL)


def test_vanished_source_file(seco_root, tmp_path):
    """The run stops and names it; with the file back the next run goes on."""
    path = sorted((seco_root / '000002').glob('*/B3.tif'))[0]
    shutil.move(path, tmp_path / 'away.tif')
    for workers in (1, 2):
        with pytest.raises(LayoutError, match=r'000002.*B3\.tif is missing'):
            pack_seco(seco_root, tmp_path / 'pack', workers=workers, **SMALL)
    assert (tmp_path / 'pack' / 'shard-00000.npy').exists()
    shutil.move(tmp_path / 'away.tif', path)
    pack_seco(seco_root, tmp_path / 'pack', **SMALL)
    for ours, theirs in zip(read_all(tmp_path / 'pack'), read_all(seco_root), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_archive_that_changed_in_between(seco_root, tmp_path, monkeypatch):
    monkeypatch.setattr(pack_builder, 'finish', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pack_seco(seco_root, tmp_path / 'pack', **SMALL)
    monkeypatch.undo()
    path = sorted((seco_root / '000001').glob('*/B3.tif'))[0]
    write_band(path, pattern(2, 1, 'B3'), 35, 20)
    with pytest.raises(LayoutError, match=r'changed since .*shard-00001\.npy was packed'):
        pack_seco(seco_root, tmp_path / 'pack', **SMALL)
    shutil.rmtree(seco_root / '000002')
    with pytest.raises(ConfigError, match=r'other patches \(6 of them; now there are 4\)'):
        pack_seco(seco_root, tmp_path / 'pack', **SMALL)


@pytest.mark.parametrize('workers', [1, 2])
def test_archive_that_changed_since(seco_root, tmp_path, workers):
    """A finished pack is compared too; without its parts nothing is known of the files."""
    pack = tmp_path / 'pack'
    pack_seco(seco_root, pack, **SMALL)
    path = sorted((seco_root / '000001').glob('*/B3.tif'))[0]
    write_band(path, pattern(2, 1, 'B3'), 35, 20)
    with pytest.raises(LayoutError, match=r'changed since .*shard-00001\.npy was packed'):
        pack_seco(seco_root, pack, workers=workers, **SMALL)
    (pack / 'shard-00001.npy').unlink()
    pack_seco(seco_root, pack, workers=workers, **SMALL)
    for ours, theirs in zip(read_all(pack), read_all(seco_root), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    shutil.rmtree(pack / 'parts')
    os.utime(path)
    pack_seco(seco_root, pack, workers=workers, **SMALL)


def test_other_options_in_between(pack, shared_seco_root):
    before = content(pack)
    for options, message in (
        (dict(SMALL, bands=['B04']), 'bands'),
        (dict(SMALL, codec='jpeg'), 'codec'),
        (dict(SMALL, shard_bytes=1), 'shard_rows: 1'),
    ):
        with pytest.raises(ConfigError, match=f'holds a pack made otherwise.*{message}'):
            pack_seco(shared_seco_root, pack, **options)
    pack_seco(shared_seco_root, pack, **SMALL)
    assert content(pack) == before


def test_two_writers(pack, shared_seco_root, monkeypatch):
    monkeypatch.setattr(pack_builder, '_PATIENCE', 0.2)
    with open(pack / '.lock', 'w') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataError, match=r'Another process is packing into'):
            pack_seco(shared_seco_root, pack, **SMALL)
    pack_seco(shared_seco_root, pack, **SMALL)


# --- full disks --------------------------------------------------------------------------------


def _usage(free):
    return lambda _: shutil._ntuple_diskusage(10**12, 0, free)


def test_too_small_a_disk_is_seen_ahead(shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.setattr(pack_builder.shutil, 'disk_usage', _usage(10**6))
    with pytest.raises(DataError, match=r'needs 1\.\d\d MB.* 1\.00 MB are free.* MB are missing'):
        pack_seco(shared_seco_root, tmp_path / 'pack', **SMALL)
    assert not list((tmp_path / 'pack').glob('shard-*'))


def test_disk_that_fills_up(shared_seco_root, whole, tmp_path, monkeypatch):
    real = files.os.fsync
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, 'No space left on device')
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, 'fsync', fsync)
        with pytest.raises(DataError, match=r'is full; about .* run the same command again'):
            pack_seco(shared_seco_root, tmp_path / 'pack', **SMALL)
    assert len(list((tmp_path / 'pack').glob('shard-*.npy'))) >= 1
    assert not list((tmp_path / 'pack').glob('.*.partial'))
    pack_seco(shared_seco_root, tmp_path / 'pack', **SMALL)
    assert content(tmp_path / 'pack') == content(whole)


class _Full:
    """A file on a disk that has no room for more than some bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, blob):
        self.room -= len(memoryview(blob).cast('B'))
        if self.room < 0:
            raise OSError(errno.ENOSPC, 'No space left on device')
        return self.file.write(blob)


@pytest.mark.parametrize('where', ['first write', 'write', 'index', 'manifest'])
@pytest.mark.parametrize('workers', [1, 2])
def test_disk_full_in_the_middle(shared_seco_root, whole, tmp_path, monkeypatch, where, workers):
    root, real = tmp_path / 'pack', np.save

    def full_open(path, *mode):
        if '.npy.' not in path.name:
            return open(path, *mode)
        return _Full(open(path, *mode), 0 if where == 'first write' else 4 * 264 * 264)

    def full_save(path, array, **more):
        if 'centres' in str(path):
            raise OSError(errno.ENOSPC, 'No space left on device')
        real(path, array, **more)

    def full_write(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        if where == 'index':
            patch.setattr(np, 'save', full_save)
        elif where == 'manifest':
            patch.setattr(pack_builder.Manifest, 'write', full_write)
        else:
            patch.setattr(files, 'open', full_open, raising=False)
        with pytest.raises(DataError, match=r'The disk of .*pack is full; .* same command again'):
            pack_seco(shared_seco_root, root, workers=workers, **SMALL)
    begun = [path.name for path in root.rglob('.*') if path.name != '.lock']
    assert not begun and not (root / 'index').exists()
    pack_seco(shared_seco_root, root, **SMALL)
    assert content(root) == content(whole)


def test_manifest_says_what_is_in_it(whole):
    made = read_manifest(whole)
    assert made.complete and made.shards == 3 and made.rows == 6 and made.bands == list(RGB)[::-1]
    assert sum(made.shard_bytes) == 6 * 3 * 264 * 264 + 3 * 128

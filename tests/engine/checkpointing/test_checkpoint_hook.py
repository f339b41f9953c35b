"""Saving whole or not at all, and what is deleted when."""

import errno
import os
from pathlib import Path

import pytest
import torch
from fixtures.tiny import write_config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from swimdiff.engine.checkpointing.checkpoint_hook import AtomicCheckpointHook
from swimdiff.engine.checkpointing.last_checkpoint import find_checkpoint
from swimdiff.errors import CheckpointError, ConfigError
from swimdiff.files import clean_partials, partial_name
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.launch import make_restartable

HOOK = 'swimdiff.engine.checkpointing.checkpoint_hook'


@pytest.fixture
def train(tmp_path):
    """Train the tiny run; the runner is returned."""
    count = iter(range(100))

    def run(resume=False, hooks=(), **options):
        config = read_config_file(write_config(tmp_path / 'c.py', **options))
        make_restartable(config)
        config.resume = resume
        config.experiment_name = f'{tmp_path.name}-{next(count)}'
        runner = Runner.from_cfg(config)
        for hook in hooks:
            runner.register_hook(hook)
        runner.train()
        return runner

    run.work_dir = tmp_path / 'run'
    return run


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir() if path.suffix != '.py')


def checkpoints(folder):
    return [name for name in names(folder) if name.endswith('.pth')]


def test_what_a_config_names_is_what_runs(tmp_path):
    config = read_config_file(write_config(tmp_path / 'c.py'))
    config.default_hooks.checkpoint.type = 'CheckpointHook'
    config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    hook, loop = make_restartable(config)
    assert "default_hooks.checkpoint.type='CheckpointHook' is the engine's" in hook
    assert 'swimdiff.ResumableEpochLoop' in loop
    assert config.default_hooks.checkpoint.type == 'CheckpointHook'
    assert config.train_cfg.type == 'EpochBasedTrainLoop'
    config.pop('default_hooks')
    config.train_cfg = dict(by_epoch=False, max_iters=3)
    assert make_restartable(config) == []
    assert config.default_hooks.checkpoint.type == 'swimdiff.AtomicCheckpointHook'
    assert config.train_cfg.type == 'swimdiff.ResumableIterLoop'


def test_files_are_those_of_the_engine(train, tmp_path):
    """Same names, same note, same content as the engine's own hook."""
    options = dict(interval=2, max_keep_ckpts=2, published_keys=['meta', 'state_dict'])
    train(epochs=7, checkpoint=options)
    ours = {
        name: torch.load(train.work_dir / name, weights_only=False)
        for name in checkpoints(train.work_dir)
    }
    note = (train.work_dir / 'last_checkpoint').read_text()
    config = read_config_file(write_config(tmp_path / 'c.py', epochs=7, checkpoint=options))
    make_restartable(config)
    config.default_hooks.checkpoint.type = 'mmengine.CheckpointHook'
    config.work_dir = str(tmp_path / 'theirs')
    config.experiment_name = f'{tmp_path.name}-theirs'
    Runner.from_cfg(config).train()
    plain = [name for name in checkpoints(tmp_path / 'theirs') if '-' not in name]
    assert [name for name in ours if '-' not in name] == plain == ['epoch_6.pth', 'epoch_7.pth']
    assert len(ours) == 3  # and a published one, named by its hash
    assert Path(note).name == Path((tmp_path / 'theirs/last_checkpoint').read_text()).name
    for name in plain:
        theirs = torch.load(tmp_path / 'theirs' / name, weights_only=False)
        assert ours[name].keys() == theirs.keys()
        assert {key: ours[name]['meta'][key] for key in ('epoch', 'iter', 'seed')} == {
            key: theirs['meta'][key] for key in ('epoch', 'iter', 'seed')
        }
        for key, value in theirs['state_dict'].items():
            assert torch.equal(ours[name]['state_dict'][key], value)
        infos = [content['message_hub']['runtime_info'] for content in (ours[name], theirs)]
        assert infos[0]['keep_ckpt_ids'] == infos[1]['keep_ckpt_ids']


def test_the_older_one_goes_when_the_newer_is_there(train, monkeypatch):
    seen = []
    real = os.replace

    def watch(source, target):
        if str(target).endswith('.pth'):
            seen.append((checkpoints(train.work_dir), Path(target).name))
        real(source, target)

    monkeypatch.setattr(os, 'replace', watch)
    train(epochs=3, checkpoint=dict(interval=1, max_keep_ckpts=1))
    assert [(had, new) for had, new in seen] == [
        ([], 'epoch_1.pth'),
        (['epoch_1.pth'], 'epoch_2.pth'),
        (['epoch_2.pth'], 'epoch_3.pth'),
    ]
    assert checkpoints(train.work_dir) == ['epoch_3.pth']


def test_in_between_only_the_newest_two_stay(train):
    train(epochs=3, length=40, checkpoint=dict(interval=2, steps=3))
    # ten steps per epoch: 3 6 9 12 15 18 [epoch_2] 21 24 27 30 [epoch_3]
    assert checkpoints(train.work_dir) == ['epoch_2.pth', 'epoch_3.pth', 'iter_30.pth']
    meta = torch.load(train.work_dir / 'iter_30.pth', weights_only=False)['meta']
    assert (meta['epoch'], meta['iter']) == (2, 30)


def test_by_the_clock(train, monkeypatch):
    ticks = iter(range(0, 100000, 10))
    monkeypatch.setattr(f'{HOOK}.time.monotonic', lambda: next(ticks))
    options = dict(interval=9, minutes=1, check_every=1, save_last=False)
    train(epochs=1, length=80, checkpoint=options)
    assert checkpoints(train.work_dir) == ['iter_12.pth', 'iter_18.pth']


def test_gradients_that_wait_are_not_left_out(train):
    """Between two updates the sum of gradients is in no checkpoint."""
    train(epochs=1, length=48, accumulate=4, checkpoint=dict(interval=9, steps=2, save_last=False))
    assert checkpoints(train.work_dir) == ['iter_12.pth', 'iter_8.pth']


def test_an_epoch_that_ends_between_two_updates_is_saved_at_the_next(train):
    """Resuming from it gives the run that never stopped."""
    train(epochs=2, length=40, accumulate=4, checkpoint=dict(interval=1))
    straight = torch.load(train.work_dir / 'epoch_2.pth', weights_only=False)
    first = torch.load(train.work_dir / 'epoch_1.pth', weights_only=False)
    assert (first['meta']['epoch'], first['meta']['iter']) == (1, 12)  # ten steps per epoch
    assert (straight['meta']['epoch'], straight['meta']['iter']) == (2, 20)
    (train.work_dir / 'epoch_2.pth').unlink()
    train(epochs=2, length=40, accumulate=4, checkpoint=dict(interval=1), resume=True)
    assert 'resumed epoch: 1, iter: 12' in max(train.work_dir.glob('*/*.log')).read_text()
    again = torch.load(train.work_dir / 'epoch_2.pth', weights_only=False)
    for key, value in straight['state_dict'].items():
        assert torch.equal(again['state_dict'][key], value), key
    momentum = [
        content['optimizer']['state'][0]['momentum_buffer'] for content in (straight, again)
    ]
    assert torch.equal(*momentum)


def test_by_iterations_the_interval_waits_too(train):
    options = dict(interval=3, by_epoch=False, save_last=False, max_keep_ckpts=9)
    train(epochs=1, length=56, accumulate=4, checkpoint=options)
    # due at 3, 6, 9, 12; updates after 4, 8, 12 and, being the last, 14
    assert checkpoints(train.work_dir) == ['iter_12.pth', 'iter_4.pth', 'iter_8.pth']


def test_a_folder_that_cannot_be_read_is_told_to_all(train, monkeypatch):
    def choose(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), 'there')

    monkeypatch.setattr(f'{HOOK}.choose_checkpoint', choose)
    with pytest.raises(CheckpointError, match=r'cannot be looked through: .*Permission denied'):
        train(epochs=1, resume=True)


class _FullDisk:
    """Fails the writes of some checkpoints half-way."""

    def __init__(self, monkeypatch, *which):
        from mmengine.fileio import LocalBackend

        real, counter = LocalBackend.put, iter(range(1000))

        def put(backend, data, path):
            if next(counter) in which:
                real(backend, data[: len(data) // 2], path)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            real(backend, data, path)

        monkeypatch.setattr(LocalBackend, 'put', put)


def test_full_disk_leaves_the_older_one_and_goes_on(train, monkeypatch):
    _FullDisk(monkeypatch, 1, 2)
    runner = train(epochs=4, checkpoint=dict(interval=1, max_keep_ckpts=1))
    assert checkpoints(train.work_dir) == ['epoch_4.pth']
    assert not [name for name in names(train.work_dir) if 'partial' in name]
    log = next(train.work_dir.glob('*/*.log')).read_text()
    assert 'epoch_2.pth could not be written' in log and 'No space left' in log
    assert 'training goes on and stops after 2 more failures' in log
    assert 'epoch_1.pth' in log.split('epoch_3.pth could not be written')[1].splitlines()[0]
    assert runner.message_hub.get_info('keep_ckpt_ids') == [4]


def test_full_disk_for_good_stops_the_run(train, monkeypatch):
    _FullDisk(monkeypatch, *range(1, 100))
    with pytest.raises(CheckpointError, match=r'3 saves in a row failed; go on with --resume'):
        train(epochs=9, checkpoint=dict(interval=1, max_keep_ckpts=2))
    assert checkpoints(train.work_dir) == ['epoch_1.pth']
    assert (train.work_dir / 'last_checkpoint').read_text().endswith('epoch_1.pth')


class _Scores(Hook):
    """Calls the saving of the best as validation does."""

    priority = 'LOWEST'

    def __init__(self, *scores):
        self.scores = iter(scores)

    def after_train_epoch(self, runner):
        saver = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
        score = next(self.scores)
        saver.after_val_epoch(runner, score if isinstance(score, dict) else {'acc': score})


def test_the_best_one_is_replaced_when_the_new_is_there(train, monkeypatch):
    # writes: epoch_1, best, epoch_1 again (the engine notes the best in it), epoch_2, best fails
    _FullDisk(monkeypatch, 4)
    hooks = [_Scores(10.0, 20.0, 15.0, 30.0)]
    options = dict(interval=1, save_best='acc', max_keep_ckpts=1)
    train(epochs=2, hooks=hooks, checkpoint=options)
    assert any(name.startswith('best_acc_epoch_0') for name in checkpoints(train.work_dir))
    log = next(train.work_dir.glob('*/*.log')).read_text()
    assert 'The best checkpoint could not be written' in log
    # the lost one does not count: 15 beats the 10 that is there
    train(epochs=4, hooks=hooks, resume=True, checkpoint=options)
    best = [name for name in checkpoints(train.work_dir) if name.startswith('best')]
    assert best == ['best_acc_epoch_3.pth']


def test_each_of_two_scores_has_its_own_best(train, monkeypatch):
    # writes: acc and miss of the first epoch, acc of the second fails, acc of the third
    _FullDisk(monkeypatch, 2)
    scores = [dict(acc=1.0, miss=3.0), dict(acc=2.0, miss=4.0), dict(acc=1.5, miss=5.0)]
    options = dict(save_best=['acc', 'miss'], rule=['greater', 'less'], save_last=False)
    runner = train(epochs=3, hooks=[_Scores(*scores)], checkpoint=dict(options, interval=9))
    assert checkpoints(train.work_dir) == ['best_acc_epoch_2.pth', 'best_miss_epoch_0.pth']
    known = runner.message_hub.runtime_info
    assert (known['best_score_acc'], known['best_score_miss']) == (1.5, 3.0)
    assert known['best_ckpt_acc'].endswith('best_acc_epoch_2.pth')
    log = next(train.work_dir.glob('*/*.log')).read_text()
    assert 'The best checkpoint with 1.5000 acc at 2 epoch is saved to best_acc_epoch_2.pth' in log
    assert f'The previous best checkpoint {train.work_dir}/best_acc_epoch_0.pth is removed' in log


def test_the_best_one_is_saved_without_gathering_the_optimizer(train, monkeypatch):
    """Gathering takes all processes, and only some may find a score the best."""
    gathered = []
    monkeypatch.setattr(
        'swimdiff.engine.checkpointing.atomic_saving.gather_optimizer', gathered.append
    )
    # All go by what the first process has: here it says 10, then 5.
    said = iter([10.0, 5.0])

    def broadcast(shared):
        if isinstance(shared[0], dict):
            shared[0] = {'acc': next(said)}

    monkeypatch.setattr(f'{HOOK}.broadcast_object_list', broadcast)
    options = dict(interval=9, save_best='acc', save_last=False)
    train(epochs=2, hooks=[_Scores(1.0, 99.0)], checkpoint=options)
    assert checkpoints(train.work_dir) == ['best_acc_epoch_0.pth']
    assert gathered == []


def test_what_killed_writers_left_goes(train):
    train.work_dir.mkdir()
    dead = train.work_dir / '.epoch_3.pth.otherhost-77.partial'
    gone = train.work_dir / partial_name('x.pth').replace(str(os.getpid()), '999999999')
    alive = train.work_dir / partial_name('epoch_4.pth')
    foreign = train.work_dir / '.notes.partial'
    busy = train.work_dir / '.epoch_4.pth.otherhost-77.partial'
    for path in (dead, gone, alive, foreign, busy):
        path.write_bytes(b'half')
    shards = train.work_dir / '.epoch_2.pth.otherhost-77.partial'
    shards.mkdir()
    (shards / 'rank_0.pth').write_bytes(b'half')
    for path in (dead, shards, foreign):
        os.utime(path, (10**9, 10**9))
    train(epochs=1)
    left = [name for name in names(train.work_dir) if 'partial' in name]
    assert left == sorted([alive.name, foreign.name, busy.name])
    assert clean_partials(train.work_dir / 'nowhere') == []


def test_resume_without_a_checkpoint_starts_from_scratch(train):
    train(resume='auto', epochs=1)
    assert 'starting from scratch' in next(train.work_dir.glob('*/*.log')).read_text()
    assert checkpoints(train.work_dir) == ['epoch_1.pth']


def test_resume_passes_over_the_damaged_one(train):
    train(epochs=2)
    newest = train.work_dir / 'epoch_2.pth'
    newest.write_bytes(newest.read_bytes()[:3000])
    before = torch.load(train.work_dir / 'epoch_1.pth', weights_only=False)['meta']['iter']
    train(resume=True, epochs=3)
    log = max(train.work_dir.glob('*/*.log')).read_text()
    assert 'epoch_2.pth is damaged' in log and 'Going on from the one before' in log
    assert f'resumed epoch: 1, iter: {before}' in log
    assert find_checkpoint(train.work_dir).good.epoch == 3


def test_a_restart_takes_only_what_this_launch_saved(train, monkeypatch):
    """Checkpoints of an older run in the same work dir are not this one's."""
    train(epochs=2, width=4)
    for path in train.work_dir.glob('*.pth'):
        os.utime(path, (10**9, 10**9))
    launch = type('L', (), dict(restarted=True, begin=lambda self: None))()
    (train.work_dir / '.started').touch()
    monkeypatch.setattr(f'{HOOK}.current_launch', lambda: launch)
    train(epochs=1)
    assert 'resumed' not in max(train.work_dir.glob('*/*.log')).read_text()
    train(epochs=2)  # now epoch_1 is of this launch
    assert 'resumed epoch: 1' in max(train.work_dir.glob('*/*.log')).read_text()


@pytest.mark.parametrize('option', [dict(steps=0), dict(minutes=-1), dict(max_failures=0)])
def test_options_that_make_no_sense(option):
    with pytest.raises(ConfigError, match=f'{next(iter(option))}=.*expected more than 0'):
        AtomicCheckpointHook(**option)

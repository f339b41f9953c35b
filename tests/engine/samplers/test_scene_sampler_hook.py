"""What the hook tells the sampler, the log and the reader."""

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, SequentialSampler

from swimdiff.engine import ResumableEpochLoop, SceneSampler, SceneSamplerHook
from swimdiff.errors import ConfigError


class Scenes(torch.utils.data.Dataset):
    def __init__(self, count, a_scene):
        self.ids = np.arange(count) // a_scene

    def __len__(self):
        return len(self.ids)

    def scene_ids(self):
        return self.ids


def runner_of(sampler, queue=40, loop=ResumableEpochLoop):
    """As much of a runner as the hook sees: 400 samples in scenes of four."""
    loader = DataLoader(sampler.dataset, 8, sampler=sampler, drop_last=True)
    model = torch.nn.Module()
    if queue:
        model.queue, model.batch_keys = SimpleNamespace(length=queue), False
    train_loop = loop.__new__(loop)
    train_loop._epoch = train_loop._iter = 0
    train_loop.dataloader = loader
    return SimpleNamespace(
        train_dataloader=loader,
        train_loop=train_loop,
        model=model,
        logger=Mock(),
        message_hub=Mock(),
        epoch=0,
        _resume=True,
    )


def sampler_of(**options):
    return SceneSampler(Scenes(400, 4), seed=0, **options)


def said(runner):
    return [call.args[0] for call in runner.logger.method_calls]


def test_the_expectation_of_the_epoch_is_logged_beside_what_was_met():
    sampler, hook = sampler_of(mates=0.8), SceneSamplerHook()
    runner = runner_of(sampler)
    hook.before_train(runner)
    assert sampler.meetings().queue_length == 40 and sampler.meetings().batch_size == 8
    (text,) = said(runner)
    assert 'expected to meet 0.8 keys of its own scene, once the queue is full' in text
    for epoch in (0, 1):
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        hook.after_train_iter(runner, 0, outputs=dict(scene_mates=torch.tensor(0.0)))
        name, value = runner.message_hub.update_scalar.call_args.args
        assert (name, type(value)) == ('train/mates_expected', float)
        assert value == pytest.approx(0.8, abs=0.05 if epoch == 0 else 1e-9)
    hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(0.0)))
    assert runner.message_hub.update_scalar.call_count == 2


def test_what_cannot_be_had_is_said_once_with_what_can():
    runner, hook = runner_of(sampler_of(mates=7)), SceneSamplerHook()
    hook.before_train(runner)
    (text,) = said(runner)
    assert runner.logger.warning.called
    assert 'not the mates=7 asked for' in text and '100 scenes of 4 samples' in text
    assert 'expected to meet 1.23' in text  # (4 - 1) / 2, less those of one batch: 8 of 40


def test_a_shuffle_that_gives_more_is_no_matter_of_concern():
    runner = runner_of(sampler_of(mates=1), queue=400)
    SceneSamplerHook().before_train(runner)
    assert not runner.logger.warning.called
    assert 'more than mates=1: so many a plain shuffle gives' in said(runner)[0]


def test_without_mates_neither_scenes_nor_a_queue_are_needed():
    for sampler, queue in ((sampler_of(), None), (SceneSampler([1, 2, 3] * 9, seed=0), 40)):
        runner, hook = runner_of(sampler, queue), SceneSamplerHook()
        hook.before_train(runner)
        hook.after_train_iter(runner, 0, outputs=dict(scene_mates=torch.tensor(0.0)))
        assert not runner.message_hub.update_scalar.called
    with pytest.raises(ConfigError, match='length of the queue'):
        SceneSamplerHook().before_train(runner_of(sampler_of(mates=1), queue=None))


def test_other_samplers_are_left_alone():
    dataset = Scenes(400, 4)
    runner, hook = runner_of(sampler_of()), SceneSamplerHook()
    runner.train_dataloader = DataLoader(dataset, 8, sampler=SequentialSampler(dataset))
    hook.before_train(runner)
    checkpoint = dict(meta=dict(epoch=0, iter=1))
    hook.before_save_checkpoint(runner, checkpoint)
    assert list(checkpoint) == ['meta'] and not said(runner)


def test_the_checkpoint_holds_seed_groups_and_place():
    saved, hook = runner_of(sampler_of(mates=0.8)), SceneSamplerHook()
    hook.before_train(saved)
    saved.train_dataloader.sampler.set_epoch(1)
    checkpoint = dict(meta=dict(epoch=1, iter=50 + 7))
    hook.before_save_checkpoint(saved, checkpoint)
    state = checkpoint['sampler']
    assert (state['seed'], state['consumed'], state['steps']) == (0, 7 * 8, 50)

    other = SceneSampler(Scenes(400, 4), mates=0.8, seed=3)
    resumed, again = runner_of(other), SceneSamplerHook()
    again.after_load_checkpoint(resumed, checkpoint)
    again.before_train(resumed)
    assert other.seed == 0
    other.set_epoch(1)
    assert list(other) == list(saved.train_dataloader.sampler)
    # only weights are loaded: the run is its own
    fresh = runner_of(SceneSampler(Scenes(400, 4), seed=3))
    fresh._resume = False
    again.after_load_checkpoint(fresh, checkpoint)
    again.before_train(fresh)
    assert fresh.train_dataloader.sampler.seed == 3

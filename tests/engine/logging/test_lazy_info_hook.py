"""The lazy hook against the engine's: the same history, and no read of the device in between."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.logging import MessageHub
from torch.utils._python_dispatch import TorchDispatchMode

from swimdiff.engine.logging.lazy_info_hook import LazyRuntimeInfoHook
from swimdiff.registry import HOOKS


class Reads(TorchDispatchMode):
    """Counts what would make the host wait for a GPU."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Loader(list):
    dataset = ()


def fake_runner(name, hook, length=10):
    hub = MessageHub.get_instance(f'test_lazy_{name}')
    return SimpleNamespace(
        message_hub=hub,
        hooks=[hook, LoggerHook(interval=4)],
        train_dataloader=Loader([None] * length),
        epoch=0,
        iter=0,
        max_epochs=2,
        max_iters=2 * length,
    )


def outputs(step):
    loss = torch.tensor(float(step), requires_grad=True) * 2
    return {'loss': loss, 'share': torch.tensor([0.1 * step], dtype=torch.float64), 'rate': step}


def histories(hub):
    return {key: buffer.data for key, buffer in hub.log_scalars.items()}


def test_same_history_as_the_engine_s_hook_and_read_only_when_a_log_is_due():
    lazy, eager = LazyRuntimeInfoHook(), RuntimeInfoHook()
    mine, theirs = fake_runner('mine', lazy), fake_runner('theirs', eager)
    for runner, hook in ((mine, lazy), (theirs, eager)):
        hook.before_train(runner)
    assert lazy.interval == 4
    for step in range(10):
        with Reads() as reads:
            lazy.after_train_iter(mine, step, None, outputs(step))
        eager.after_train_iter(theirs, step, None, outputs(step))
        assert reads.count == 0
        if step in (3, 7, 9):  # two logs and the end of the epoch
            got, expected = histories(mine.message_hub), histories(theirs.message_hub)
            assert got.keys() == expected.keys()
            for key in got:
                assert np.array_equal(got[key], expected[key]), key
    buffer = mine.message_hub.get_scalar('train/loss')
    assert buffer.mean(4) == pytest.approx(2 * (6 + 7 + 8 + 9) / 4)


def test_what_is_kept_is_the_value_of_its_step_without_the_graph():
    hook = LazyRuntimeInfoHook(interval=100)
    runner = fake_runner('overwritten', hook)
    memory = torch.zeros((), requires_grad=True) + 0
    for step in range(3):
        with torch.no_grad():
            memory.fill_(step)
        hook.after_train_iter(runner, step, None, {'loss': memory})
    assert not any(row.requires_grad for _, row in hook._pending)
    assert 'train/loss' not in runner.message_hub.log_scalars
    hook.flush(runner)
    assert runner.message_hub.get_scalar('train/loss').data[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize('reader', ['after_train_epoch', 'before_val', 'after_train'])
def test_nothing_is_missing_when_somebody_reads(reader):
    hook = LazyRuntimeInfoHook(interval=100)
    runner = fake_runner(reader, hook)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0, None, outputs(3))
    getattr(hook, reader)(runner)
    assert runner.message_hub.get_scalar('train/loss').current() == 6


def test_a_checkpoint_between_two_logs_has_the_whole_history():
    hook = LazyRuntimeInfoHook(interval=100)
    runner = fake_runner('checkpoint', hook)
    hook.after_train_iter(runner, 0, None, outputs(3))
    checkpoint = {'message_hub': runner.message_hub.state_dict()}
    assert 'train/loss' not in checkpoint['message_hub']['log_scalars']
    hook.before_save_checkpoint(runner, checkpoint)
    assert checkpoint['message_hub']['log_scalars']['train/loss'].current() == 6


def test_two_elements_are_no_scalar():
    hook = LazyRuntimeInfoHook()
    with pytest.raises(RuntimeError):
        hook.after_train_iter(fake_runner('two', hook), 0, None, {'loss': torch.zeros(2)})


def test_it_is_found_by_name():
    assert isinstance(HOOKS.build(dict(type='LazyRuntimeInfoHook')), RuntimeInfoHook)

"""The guards in true, tiny runs of the engine and, where several must agree, in gloo processes."""

import logging
import math
import os
import signal

import pytest
import torch
import torch.distributed as dist
from fixtures.processes import run_ranks
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.nn.functional import normalize
from torch.utils.data import DataLoader

from swimdiff.engine.guards import starvation_hook
from swimdiff.engine.guards.collapse_hook import newest_keys
from swimdiff.engine.guards.finite_loss_hook import not_finite
from swimdiff.errors import ConfigError, DivergedError
from swimdiff.models.selfsup.scene_queue import SceneQueue


class Head(nn.Module):
    rule = 'relative'


class Toy(BaseModel):
    """One weight, one buffer, a queue; ``spoil`` does something at each iteration."""

    def __init__(self, spoil=lambda model, iteration: None, rule='relative', mates=0.0):
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.register_buffer('running', torch.zeros(3))
        self.queue = SceneQueue(64, 16)
        self.head = Head()
        self.head.rule = rule
        self.spoil, self.mates, self.iteration = spoil, mates, 0

    def forward(self, inputs, data_samples=None, mode='loss'):
        self.iteration += 1
        self.spoil(self, self.iteration)
        value = self.linear(torch.stack(list(inputs))).square().mean()
        return dict(loss=value, scene_mates=torch.tensor(self.mates))


def run(work_dir, model, *hooks, epochs=4, checkpoint=None, **options):
    """Two iterations an epoch; the log's warnings and errors, and the checkpoints."""
    init_default_scope('swimdiff')
    torch.manual_seed(0)
    data = [dict(inputs=torch.randn(2)) for _ in range(4)]
    runner = Runner(
        model,
        str(work_dir),
        train_dataloader=DataLoader(data, batch_size=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=options.pop('train_cfg', dict(by_epoch=True, max_epochs=epochs)),
        custom_hooks=list(hooks),
        default_hooks=dict(
            checkpoint=checkpoint or dict(type='CheckpointHook', interval=1),
            logger=dict(type='LoggerHook', interval=1),
        ),
        default_scope='swimdiff',
        experiment_name=work_dir.name,
    )
    runner.train()
    return runner


def said(work_dir, level):
    (log,) = work_dir.glob('*/*.log')
    return [line for line in log.read_text().splitlines() if f'- {level} -' in line]


# Weights that are no numbers


def naive_not_finite(model):
    named = [*model.named_parameters(), *model.named_buffers()]
    return [name for name, t in named if any(not math.isfinite(x) for x in t.flatten().tolist())]


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('place', ['linear.weight', 'linear.bias', 'running', 'queue.keys'])
def test_each_value_is_found(place, value):
    model = Toy()
    assert not_finite(model) == []
    dict([*model.named_parameters(), *model.named_buffers()])[place].data.view(-1)[-1] = value
    assert not_finite(model) == naive_not_finite(model) == [place]


def test_large_weights_are_finite():
    model = nn.Linear(100, 100)
    model.weight.data.fill_(3e38)  # the sum of their squares is not
    assert not_finite(model) == []
    assert not_finite(nn.Linear(4, 4).half()) == []
    assert not_finite(nn.ReLU()) == []


def nan_buffer(model, iteration):
    if iteration == 5:  # the third epoch's first; the loss stays a number
        model.running[1] = math.nan


def test_sick_weights_stop_the_run_before_they_are_saved(tmp_path):
    with pytest.raises(DivergedError, match='infinite or NaN: running, at iteration 6 '):
        run(tmp_path, Toy(nan_buffer), dict(type='FiniteLossHook', interval=1000))
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['epoch_1.pth', 'epoch_2.pth']
    state = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)['state_dict']
    assert all(value.isfinite().all() for value in state.values())
    assert 'Stopping: Weights are' in said(tmp_path, 'ERROR')[0]


def test_saving_by_iteration_is_guarded_too(tmp_path):
    saver = dict(type='CheckpointHook', interval=3, by_epoch=False)
    with pytest.raises(DivergedError, match='at iteration 6 '):
        run(
            tmp_path,
            Toy(nan_buffer),
            dict(type='FiniteLossHook', interval=1000),
            checkpoint=saver,
        )
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_3.pth']


def test_weights_are_left_alone_if_asked_for(tmp_path):
    run(tmp_path, Toy(nan_buffer), dict(type='FiniteLossHook', interval=1, weights=False))
    assert (tmp_path / 'epoch_4.pth').is_file()


class Sick(Toy):
    def forward(self, inputs, data_samples=None, mode='loss'):
        losses = super().forward(inputs)
        if self.iteration == 3 and dist.get_rank() == 1:
            losses['loss'] = losses['loss'] * math.nan
        return losses


def told(model, iteration):
    if iteration == 3 and dist.get_rank() == 0:
        os.kill(os.getpid(), signal.SIGUSR1)


def _worker(rank, folder):
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    from pathlib import Path

    hook = dict(type='FiniteLossHook', interval=1)
    with pytest.raises(DivergedError) as stopped:
        # Each process trains alone: what one has does not reach the other through gradients.
        run(Path(folder, str(rank)), Sick(), hook)
    Path(folder, f'{rank}.txt').write_text(str(stopped.value))
    # Saves that no interval announces: by the clock, which only the first process has, and by a
    # signal, which only the first one gets.
    hook = dict(type='FiniteLossHook', interval=1000)
    ours = dict(type='AtomicCheckpointHook', interval=9)
    clock = dict(ours, minutes=1e-9, check_every=1)
    with pytest.raises(DivergedError, match='at iteration 3 '):
        run(Path(folder, f'clock{rank}'), Sick(), hook, checkpoint=clock)
    with pytest.raises(DivergedError, match='at iteration 3 '):
        stop = dict(type='StopSignalHook')
        run(Path(folder, f'stop{rank}'), Sick(told), hook, stop, checkpoint=ours)
    dist.destroy_process_group()


def test_all_processes_stop_though_one_alone_is_sick(tmp_path):
    run_ranks(_worker, str(tmp_path))
    assert 'Another process found' in (tmp_path / '0.txt').read_text()
    assert 'The loss is nan, at iteration 3' in (tmp_path / '1.txt').read_text()
    saved = [
        sorted(path.name for path in (tmp_path / name).glob('*.pth'))
        for name in ('clock0', 'stop0')
    ]
    assert saved == [['iter_1.pth', 'iter_2.pth'], []]


# Collapse


def test_newest_keys():
    queue = SceneQueue(8, 4)
    assert len(newest_keys(queue, 5)) == 0
    assert len(newest_keys(None, 5)) == 0
    keys = normalize(torch.arange(44.0).view(11, 4) + 1, dim=1)
    queue.push(keys[:6], torch.arange(6))
    assert torch.equal(newest_keys(queue, 100), keys[:6].flip(0))
    queue.push(keys[6:], torch.arange(5))
    assert torch.equal(newest_keys(queue, 5), keys[6:].flip(0))


def collapse_at(*iterations):
    def spoil(model, iteration):
        keys = torch.randn(64, 16)
        if iteration in iterations:
            keys = torch.ones(64, 16) + 0.01 * keys
        model.queue.push(normalize(keys, dim=1), torch.zeros(64, dtype=torch.long))

    return spoil


def test_collapse_warns_then_stops(tmp_path):
    hook = dict(type='CollapseHook', interval=1, begin=0, patience=3)
    with pytest.raises(DivergedError, match=r'collapse at iteration 6: .* in 3 checks in a row'):
        # one bad check, a good one, then bad ones
        run(tmp_path, Toy(collapse_at(2, 4, 5, 6, 7)), hook)
    warnings = [line for line in said(tmp_path, 'WARNING') if 'collapse' in line]
    assert [line.split('check ')[1][:6] for line in warnings] == ['1 of t', '1 of t', '2 of t']
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth', 'epoch_2.pth']


def test_the_beginning_is_not_judged(tmp_path):
    hook = dict(type='CollapseHook', interval=1, begin=7, patience=1)
    options = dict(train_cfg=dict(by_epoch=True, max_epochs=40))
    with pytest.raises(DivergedError, match='at iteration 8:'):
        run(tmp_path / 'a', Toy(collapse_at(*range(100))), hook, **options)
    # a tenth of a short run
    hook = dict(type='CollapseHook', interval=1, patience=1)
    with pytest.raises(DivergedError, match='at iteration 9:'):
        run(tmp_path / 'b', Toy(collapse_at(*range(100))), hook, **options)


def test_spread_keys_are_logged_and_let_be(tmp_path):
    hook = dict(type='CollapseHook', interval=1, begin=0, patience=1)
    runner = run(tmp_path, Toy(collapse_at()), hook)
    last = {name: log.current() for name, log in runner.message_hub.log_scalars.items()}
    assert last['train/key_std'] > 0.9
    assert abs(last['train/key_cosine']) < 0.1
    assert 12 < last['train/key_rank'] <= 16


def test_collapse_options():
    init_default_scope('swimdiff')
    from swimdiff.engine import CollapseHook

    with pytest.raises(ConfigError, match='patience=0'):
        CollapseHook(patience=0)


# Scene mates


@pytest.mark.parametrize(
    ('mates', 'rule', 'filled', 'warned'),
    [
        (0.01, 'relative', True, True),
        (0.5, 'relative', True, False),
        (0.0, 'none', True, False),
        (0.0, 'relative', False, False),
    ],
)
def test_few_mates(tmp_path, mates, rule, filled, warned):
    model = Toy(rule=rule, mates=mates)
    if filled:
        model.queue.push(model.queue.keys.clone(), torch.zeros(64, dtype=torch.long))
    run(tmp_path, model, dict(type='SceneMatesHook', interval=2))
    lines = [line for line in said(tmp_path, 'WARNING') if 'keys of its own scene' in line]
    # the engine leaves out a warning that it has written word for word
    assert len(lines) == int(warned)
    assert all(f'met {mates:.3f}' in line for line in lines)


@pytest.mark.parametrize(('mates', 'warned'), [(15.0, False), (17.0, True)])
def test_a_queue_full_of_mates(tmp_path, mates, warned):
    model = Toy(rule='relative', mates=mates)
    model.queue.push(model.queue.keys.clone(), torch.zeros(64, dtype=torch.long))
    run(tmp_path, model, dict(type='SceneMatesHook', interval=2))
    lines = [line for line in said(tmp_path, 'WARNING') if 'keys of its own scene' in line]
    assert len(lines) == int(warned)  # a quarter of the 64 keys is 16
    assert all('27% of the queue' in line for line in lines)


# Loader


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


def starve(monkeypatch, waits, step=1.0, **options):
    """Shares logged and warnings given for waits before each iteration of ``step`` seconds."""
    clock, shares, warnings = Clock(), [], []
    monkeypatch.setattr(starvation_hook, 'time', clock)

    class Hub:
        def update_scalar(self, name, value):
            assert name == 'train/loader_share'
            shares.append(value)

    class FakeRunner:
        message_hub = Hub()
        logger = logging.getLogger('starve')
        train_dataloader = DataLoader([0], num_workers=0)
        iter = 0

    runner = FakeRunner()
    monkeypatch.setattr(runner.logger, 'warning', warnings.append)
    hook = starvation_hook.LoaderStarvationHook(**options)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    for number, wait in enumerate(waits):
        clock.now += wait
        hook.before_train_iter(runner, number)
        clock.now += step
        hook.after_train_iter(runner, number)
        runner.iter += 1
    return shares, warnings


def test_share_of_waiting(monkeypatch):
    waits = [9.0, 1.0, 1.0, 0.0, 3.0, 3.0]
    shares, warnings = starve(monkeypatch, waits, interval=3, begin=1, limit=0.55)
    # the first is left out; then over the last three
    assert shares == pytest.approx([1 / 2, 2 / 4, 2 / 5, 4 / 7, 6 / 9])
    assert len(warnings) == 1
    assert 'took 67% of the last 3 iterations' in warnings[0]


def test_a_warning_is_repeated_ever_more_rarely(monkeypatch):
    _, warnings = starve(monkeypatch, [5.0] * 80, interval=5, begin=0, limit=0.2)
    assert len(warnings) == 5  # 16 intervals: the 1st, 2nd, 4th, 8th, 16th


def test_no_waiting_no_warning(monkeypatch):
    shares, warnings = starve(monkeypatch, [0.1] * 20, interval=5, begin=0)
    assert shares[-1] == pytest.approx(0.1 / 1.1)
    assert warnings == []

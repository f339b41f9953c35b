"""The bar in a true run of the engine, on a terminal and beside one."""

import io
import sys

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from swimdiff.engine.logging import progress_bar_hook


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


class Toy(BaseModel):
    def __init__(self, fails=False):
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.fails = fails

    def forward(self, inputs, data_samples=None, mode='loss'):
        if self.fails:
            raise ArithmeticError('sick')
        return dict(loss=self.linear(torch.stack(list(inputs))).square().mean())


def run(work_dir, **options):
    init_default_scope('swimdiff')
    runner = Runner(
        Toy(**options),
        str(work_dir),
        train_dataloader=DataLoader([dict(inputs=torch.ones(1))] * 4, batch_size=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        default_hooks=dict(checkpoint=None, logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[dict(type='ProgressBarHook')],
        default_scope='swimdiff',
        experiment_name=work_dir.name,
    )
    runner.train()
    return runner


@pytest.fixture
def streams(monkeypatch):
    def replace(out, err):
        streams = Stream(out), Stream(err)
        monkeypatch.setattr(sys, 'stdout', streams[0])
        monkeypatch.setattr(sys, 'stderr', streams[1])
        monkeypatch.setenv('TERM', 'xterm')
        monkeypatch.setenv('COLUMNS', '200')
        return streams

    return replace


def test_on_a_terminal(tmp_path, streams):
    out, err = streams(True, True)
    runner = run(tmp_path)
    assert (sys.stdout, sys.stderr) == (out, err)
    assert all(getattr(handler, 'stream', None) is not err for handler in runner.logger.handlers)
    assert 'epoch 3/3' in err.getvalue()
    assert '6/6' in err.getvalue()
    assert 'Epoch(train) [2][2/2]' in err.getvalue()  # above the bar
    (log,) = tmp_path.glob('*/*.log')
    assert 'epoch 3/3' not in log.read_text()
    assert 'Epoch(train) [3][2/2]' in log.read_text()


def test_output_that_goes_to_a_file_stays_there(tmp_path, streams):
    out, err = streams(False, True)
    run(tmp_path)
    assert '6/6' in err.getvalue()
    assert 'Epoch(train) [2][2/2]' in out.getvalue()
    assert '6/6' not in out.getvalue()


def test_no_terminal_no_bar(tmp_path, streams, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    out, err = streams(False, False)
    run(tmp_path)
    assert 'epoch 1/3' not in out.getvalue() + err.getvalue()


def test_the_terminal_is_given_back_after_an_error(tmp_path, streams, monkeypatch):
    at_exit = []
    monkeypatch.setattr(progress_bar_hook.atexit, 'register', at_exit.append)
    out, err = streams(True, True)
    with pytest.raises(ArithmeticError):
        run(tmp_path, fails=True)
    assert sys.stdout is not out
    (give_back,) = at_exit
    give_back()
    assert (sys.stdout, sys.stderr) == (out, err)
    assert '\x1b[?25h' in err.getvalue()  # the cursor

"""Signals are the run's own while it trains, and the process's again afterwards."""

import signal

import pytest
from fixtures.tiny import write_config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.launch.config_reading import read_config_file

HEARD = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Break(Hook):
    """Fails in the second step, where the signals have other handlers than before."""

    def __init__(self, before):
        self.before = before

    def after_train_iter(self, runner, **batch):
        assert all(signal.getsignal(number) != self.before[number] for number in HEARD)
        if runner.iter == 1:
            raise MemoryError('no more')


@pytest.mark.parametrize(
    'loop',
    [
        dict(type='swimdiff.ResumableEpochLoop', max_epochs=2),
        dict(type='swimdiff.ResumableIterLoop', max_iters=4),
    ],
)
def test_signals_are_given_back_where_training_fails(tmp_path, loop):
    """In a notebook Ctrl-C would be noted by a run that is over, and heeded by nobody."""
    config = read_config_file(write_config(tmp_path / 'c.py'))
    config.train_cfg = loop
    config.experiment_name = f'{tmp_path.name}-failed'
    before = {number: signal.getsignal(number) for number in HEARD}
    runner = Runner.from_cfg(config)
    runner.register_hook(Break(before))
    with pytest.raises(MemoryError):
        runner.train()
    assert {number: signal.getsignal(number) for number in HEARD} == before

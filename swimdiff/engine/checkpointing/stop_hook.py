"""Ending a run when the cluster says so, with its state saved."""

import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.engine.agreement import any_process
from swimdiff.engine.checkpointing.atomic_saving import updated
from swimdiff.engine.checkpointing.checkpoint_hook import AtomicCheckpointHook
from swimdiff.engine.loops import ResumableEpochLoop, ResumableIterLoop
from swimdiff.errors import CheckpointError, ConfigError, StoppedError
from swimdiff.registry import HOOKS

__all__ = ['StopSignalHook']


#: What the training process says to its loader workers.
_TRAINING, _NOTED, _OVER = 0, 1, 2


def _heed_parent(numbers: Sequence[int], said: Any, inner: Callable | None, worker: int) -> None:
    """Let a loader worker live through the notice: clusters signal all processes of a job.

    A worker that gets a signal waits for what the training process says of it: where that has had
    it too, batches are still needed; where training is over, the signal is meant for the worker.

    Args:
        numbers: Signals to heed.
        said: A shared integer, see above.
        inner: What to do besides when a worker starts.
        worker: Its number.
    """

    def ask(_number: int, _frame: FrameType | None) -> None:
        patience = time.monotonic() + 5
        while said.value == _TRAINING and time.monotonic() < patience:
            time.sleep(0.01)
        if said.value != _NOTED:
            os._exit(0)

    for number in numbers:
        signal.signal(number, ask)
    if inner is not None:
        inner(worker)


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Save and end the run after SIGTERM, SIGUSR1 or Ctrl-C.

    Whichever process gets the signal, all save and end after the same update of the weights. They
    agree on it every ``check_every`` updates, over the host's network: a signal is heeded within so
    many steps, and no step waits for the device. A second signal ends the process at once. Until
    training begins (model, data and checkpoint are read) the first one does. What comes during
    validation is heeded after the next update; after the last one the run is finished anyway.

    ``tools/train.py`` then exits with code 75, see :mod:`swimdiff.launch.elastic`.

    Args:
        check_every (int): Updates between two agreements of several processes; one process looks
            after each. Defaults to 10.
        signals (Sequence[str]): Names of the signals. Defaults to ``('SIGTERM', 'SIGUSR1',
            'SIGINT')``.
        pause (float): Seconds within which further signals are the same notice: a cluster and a
            launcher may both pass it on. Of SIGINT, which a person sends, one second at most.
            Defaults to 3.

    Raises:
        ConfigError: ``check_every`` is not positive, or a signal is unknown.

    Example::

        default_hooks = dict(stop=dict(type='StopSignalHook', signals=('SIGTERM', 'SIGUSR1')))
    """

    priority = 'LOWEST'  # after AtomicCheckpointHook, which may have saved this very iteration

    def __init__(
        self,
        check_every: int = 10,
        signals: Sequence[str] = ('SIGTERM', 'SIGUSR1', 'SIGINT'),
        pause: float = 3.0,
    ) -> None:
        unknown_names = [name for name in signals if not hasattr(signal, name)]
        if check_every < 1 or unknown_names:
            raise ConfigError(
                f'StopSignalHook: check_every={check_every}, signals={list(signals)}: expected 1 '
                'or more, and names of signals such as SIGTERM '
                f'(unknown: {unknown_names or "none"}).'
            )
        self.check_every, self.pause = check_every, pause
        self.signals = [getattr(signal, name) for name in signals]
        self.stopped: str | None = None
        self._noted: int | None = None
        self._noted_when, self._updates = 0.0, 0
        self._before: dict[int, Any] = {}
        self._said = multiprocessing.RawValue('i', _TRAINING)

    def before_train(self, runner: Runner) -> None:
        """Listen, and let loader workers go by what this process has heard."""
        if threading.current_thread() is not threading.main_thread():
            runner.logger.warning('StopSignalHook: not in the main thread, signals are not heard')
            return
        loader = runner.train_dataloader
        loader.worker_init_fn = functools.partial(
            _heed_parent, self.signals, self._said, loader.worker_init_fn
        )
        self._before = {number: signal.signal(number, self._note) for number in self.signals}

    def _note(self, number: int, _frame: FrameType | None) -> None:
        """Note the first signal, end at the second."""
        now = time.monotonic()
        if self._noted is None:
            self._noted, self._noted_when = number, now
            self._said.value = _NOTED
            # No logging here: the signal may have come while the log is being written.
            text = f'{signal.Signals(number).name}: saving after this iteration, then ending'
            if number == signal.SIGINT:
                text += '. Press Ctrl-C again to end at once and save nothing'
            os.write(2, f'\n{text}\n'.encode())
        elif now - self._noted_when > (
            min(self.pause, 1.0) if number == signal.SIGINT else self.pause
        ):
            os.write(2, b'\nSecond signal: ending at once, nothing more is saved\n')
            os._exit(128 + number)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Save and end where any process got a signal."""
        if not updated(runner):
            return
        self._updates += 1
        if runner.distributed and self._updates % self.check_every:
            return
        if any_process(self._noted is not None):
            self._stop(runner)

    def _stop(self, runner: Runner) -> None:
        """Save, and let the loop end.

        Raises:
            CheckpointError: Nothing could be saved.
            StoppedError: The loop cannot end in the middle of an epoch.
        """
        saver = next((h for h in runner.hooks if isinstance(h, AtomicCheckpointHook)), None)
        is_saved = saver.save_between(runner) if saver else True
        # Also keeps the others from ending, and the launcher from ending all, before it is down.
        if any_process(is_main_process() and not is_saved):
            raise CheckpointError(
                f'Told to stop after iteration {runner.iter + 1}, but the state could not be '
                f'saved; the last checkpoint in {runner.work_dir} is from before.'
            )
        where = saver.last_ckpt if saver else 'nothing: the config has no AtomicCheckpointHook'
        name = signal.Signals(self._noted).name if self._noted else 'a signal to another process'
        self.stopped = (
            f'{name} after iteration {runner.iter + 1}; saved {where}. Go on with --resume'
        )
        runner.logger.info(f'Stopped by {self.stopped}')
        runner.train_loop.stop_training = True
        if not isinstance(runner.train_loop, (ResumableEpochLoop, ResumableIterLoop)):
            self._end()

    def after_train(self, runner: Runner) -> None:
        """Give the signals back, and let loader workers end."""
        self.after_loop(runner)

    def after_loop(self, runner: Runner) -> None:
        """Do the same where training failed; our loops call this however they end.

        Else Ctrl-C would be noted, and not heeded, for as long as the process lives.
        """
        self._said.value = _OVER
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def after_run(self, runner: Runner) -> None:
        """Say that the run is not finished, after all other hooks."""
        if self.stopped is not None:
            self._end()

    def _end(self) -> None:
        self._said.value = _OVER
        raise StoppedError(str(self.stopped))

"""Telling when the loader, not the device, sets the pace."""

import time
from collections import deque

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.engine.agreement import highest
from swimdiff.engine.guards.guard import Nag
from swimdiff.registry import HOOKS

__all__ = ['LoaderStarvationHook']


@HOOKS.register_module()
class LoaderStarvationHook(Hook):
    """Log ``loader_share``, the share of time spent waiting for data.

    It warns when the share is high.

    Of the last ``interval`` iterations. On a GPU the host runs ahead of the device, so it may wait
    for data while the device still computes: such a wait costs nothing and is not counted. Whether
    the device has run dry is asked with an event, which waits for nothing.

    Args:
        interval (int): Iterations that a share is taken over. Defaults to 50.
        limit (float): Share above which it warns, 0 to 1. Defaults to 0.2.
        begin (int): First iterations after the start that are left out: workers start, queues fill.
            Defaults to 20.

    Example::

        default_hooks = dict(starvation=dict(type='LoaderStarvationHook', interval=50, limit=0.2))
    """

    # After all others: what they do after an iteration is not waiting, and the clock starts here.
    # Others are LOWEST, too: default_hooks lists this one last.
    priority = 'LOWEST'

    def __init__(self, interval: int = 50, limit: float = 0.2, begin: int = 20) -> None:
        self.interval, self.limit, self.begin = interval, limit, begin
        self._spans: deque[tuple[float, float]] = deque(maxlen=interval)
        self._seen = 0
        self._start = self._ready = 0.0
        self._waited = 0.0
        self._step: torch.cuda.Event | None = None
        self._nag = Nag()

    def before_train(self, runner: Runner) -> None:
        """Start again."""
        self._spans.clear()
        self._seen = 0
        self._step = torch.cuda.Event() if torch.cuda.is_available() else None

    def before_train_epoch(self, runner: Runner) -> None:
        """Leave out what is done between epochs, which is not waiting for data."""
        self._start = time.perf_counter()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Note that the data is there."""
        is_dry = self._step is None or not self._seen or self._step.query()
        self._waited = time.perf_counter() - self._start if is_dry else 0.0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Count the iteration, warn at the end of an interval, start the clock."""
        if self._step is not None:
            self._step.record()
        now = time.perf_counter()
        self._seen += 1
        if self._seen > self.begin:
            self._spans.append((self._waited, now - self._start))
            wait_time, step_time = map(sum, zip(*self._spans, strict=True))
            share = wait_time / max(step_time, 1e-9)
            runner.message_hub.update_scalar('train/loader_share', share)
            if self.every_n_train_iters(runner, self.interval):
                self._judge(runner, share)
        self._start = time.perf_counter()

    def _judge(self, runner: Runner, share: float) -> None:
        # One process that waits for data lets all others wait for its gradients.
        share = highest(share)
        if self._nag(len(self._spans) == self.interval and share > self.limit):
            workers = runner.train_dataloader.num_workers
            runner.logger.warning(
                f'Waiting for data took {share:.0%} of the last {self.interval} iterations '
                f'(limit {self.limit:.0%}, train_dataloader.num_workers={workers}): the loader '
                'sets the pace. Use more workers, pack the archive into one file '
                '(tools/dataset_converters/pack.py), or augment on the device '
                '(docs/concepts/views.md)'
            )

"""Images per second, over all processes, as the log shows it."""

import time

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.registry import HOOKS

__all__ = ['ThroughputHook']


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Log ``images_per_s`` since the last log, loading and logging included.

    Args:
        interval (int, optional): Iterations between two values. Defaults to None, the interval of
            the runner's logger hook.

    Example::

        default_hooks = dict(throughput=dict(type='ThroughputHook'))
    """

    priority = 'NORMAL'  # before LoggerHook, which is BELOW_NORMAL

    def __init__(self, interval: int | None = None) -> None:
        self.interval = interval
        self._images = 0
        self._since = 0.0

    def before_train(self, runner: Runner) -> None:
        """Find the interval at which the log is written."""
        if self.interval is None:
            loggers = [hook for hook in runner.hooks if type(hook).__name__ == 'LoggerHook']
            self.interval = loggers[0].interval if loggers else 50

    def before_train_epoch(self, runner: Runner) -> None:
        """Start counting again: validation and saving between epochs are not training."""
        self._images, self._since = 0, time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        """Count the batch; a new count starts once the log has read the rate."""
        now = time.perf_counter()
        self._images += len(data_batch['data_samples'])
        rate = self._images * get_world_size() / max(now - self._since, 1e-9)
        runner.message_hub.update_scalar('train/images_per_s', rate)
        if self.interval and self.every_n_inner_iters(batch_idx, self.interval):
            self._images, self._since = 0, now

"""What the model logs, read from the device when it is wanted and not in every step.

The engine's ``RuntimeInfoHook`` turns each loss of each iteration into a number of Python: on a GPU
the host waits for the whole step each time, and cannot prepare the next one meanwhile.
"""

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from swimdiff.registry import HOOKS

__all__ = ['LazyRuntimeInfoHook']


@HOOKS.register_module()
class LazyRuntimeInfoHook(RuntimeInfoHook):
    """Log with one wait per log, not one per scalar and step.

    Otherwise it is the engine's hook.

    Scalars of the steps between two logs stay on the device and enter the message hub's history
    together, in order, before anything reads it: when a log is written, before a validation, at the
    end of an epoch and of the run, and in every checkpoint. Means are those of the engine's hook.
    Use as ``default_hooks.runtime_info``.

    Args:
        interval (int, optional): Iterations between two reads. Defaults to None, the interval of
            the runner's logger hook.

    Example::

        default_hooks = dict(runtime_info=dict(type='LazyRuntimeInfoHook'))
    """

    def __init__(self, interval: int | None = None) -> None:
        self.interval = interval
        self._pending: list[tuple[list[str], Tensor]] = []

    def before_train(self, runner: Runner) -> None:
        """Find the interval at which the log is written."""
        super().before_train(runner)
        if self.interval is None:
            loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
            self.interval = loggers[0].interval if loggers else 50

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        """Keep the scalars of this step on the device; read all if a log is due."""
        tensors: dict[torch.device, dict[str, Tensor]] = {}
        for name, value in (outputs or {}).items():
            if isinstance(value, Tensor):
                tensors.setdefault(value.device, {})[name] = value.detach().reshape(())
            else:
                runner.message_hub.update_scalar(f'train/{name}', value)
        for scalars in tensors.values():
            # A copy: a compiled step may write its outputs to the same memory each time.
            self._pending.append((list(scalars), torch.stack(list(scalars.values()))))
        is_due = self.every_n_inner_iters(batch_idx, self.interval or 1)
        if is_due or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self.flush(runner)

    def flush(self, runner: Runner) -> None:
        """Enter all that is kept into the message hub, in one transfer from the device."""
        if not self._pending:
            return
        pending_outputs, self._pending = self._pending, []
        device = pending_outputs[-1][1].device
        numbers = iter(torch.cat([row.to(device) for _, row in pending_outputs]).tolist())
        for names, _ in pending_outputs:
            for name in names:
                runner.message_hub.update_scalar(f'train/{name}', next(numbers))

    def after_train_epoch(self, runner: Runner) -> None:
        """Read what is kept before the epoch's hooks look at it."""
        self.flush(runner)

    def before_val(self, runner: Runner) -> None:
        """Read what is kept before a validation."""
        self.flush(runner)
        super().before_val(runner)

    def after_train(self, runner: Runner) -> None:
        """Read what is left."""
        self.flush(runner)
        super().after_train(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Let the history in the checkpoint be complete."""
        if self._pending and 'message_hub' in checkpoint:
            self.flush(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

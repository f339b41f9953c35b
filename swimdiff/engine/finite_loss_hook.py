"""Stopping a run whose loss is no number any more, before it is saved."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.errors import DivergedError
from swimdiff.registry import HOOKS

__all__ = ['FiniteLossHook']


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Raises when the loss is infinite or NaN.

    Looked at when the log is written and before anything is saved at the end of an epoch, not in
    every step: looking makes the host wait for the device. The checkpoints saved before stay.

    Args:
        interval (int): Iterations between two looks. Defaults to 50.
    """

    priority = 'ABOVE_NORMAL'  # before CheckpointHook saves

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._loss: torch.Tensor | None = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        """Look at the loss every ``interval`` iterations."""
        self._loss = (outputs or {}).get('loss')
        if self.every_n_train_iters(runner, self.interval):
            self._check(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the last loss before the epoch is saved."""
        self._check(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look at the last loss before anything is saved."""
        self._check(runner)

    def _check(self, runner: Runner) -> None:
        """Raise if the last loss is not finite.

        Raises:
            DivergedError: Says where, and what to try.
        """
        if self._loss is not None and not torch.isfinite(torch.as_tensor(self._loss)).all():
            raise DivergedError(
                f'The loss is {float(self._loss)} at iteration {runner.iter + 1} (looked at every '
                f'{self.interval}). Nothing was saved since; the checkpoints in {runner.work_dir} '
                'are from before. Lower the learning rate, clip gradients '
                '(optim_wrapper.clip_grad), use bfloat16 instead of float16, or look for values '
                'that are no numbers in the data; then go on with --resume'
            )

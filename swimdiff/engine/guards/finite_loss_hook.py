"""Stopping a run whose loss or weights are no numbers any more, before it is saved."""

from collections.abc import Iterator

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from swimdiff.engine.guards.guard import any_process, bare_model, stop_run
from swimdiff.registry import HOOKS

__all__ = ['FiniteLossHook', 'look_before_saving', 'not_finite']


def _floating(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of floating point, of sharded ones the part that is here."""
    for source in (model.named_parameters(), model.named_buffers()):
        for name, tensor in source:
            here = tensor.detach()
            here = here.to_local() if hasattr(here, 'to_local') else here
            if here.is_floating_point() and here.numel():
                yield name, here


@torch.no_grad()
def not_finite(model: nn.Module) -> list[str]:
    """Return the names of parameters and buffers with an infinite or NaN value.

    The host waits for the device once. The largest absolute value tells: unlike a sum of squares it
    does not overflow on finite weights, and it hands on what is no number.
    """
    named_tensors = list(_floating(model))
    if not named_tensors:
        return []
    peaks = torch._foreach_norm([tensor for _, tensor in named_tensors], torch.inf)
    finite = torch.stack([peak.float() for peak in peaks]).isfinite().tolist()
    return [name for (name, _), fine in zip(named_tensors, finite, strict=True) if not fine]


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop the run when the loss, a weight or a buffer is infinite or NaN.

    Looked at every ``interval`` iterations and before anything is saved, not in every step: looking
    makes the host wait for the device. So a checkpoint is never written from a sick model, and the
    ones saved before stay. All processes stop together.

    Args:
        interval (int): Iterations between two looks. Defaults to 50.
        weights (bool): Whether to look at weights and buffers too. Defaults to True.

    Example::

        default_hooks = dict(finite_loss=dict(type='FiniteLossHook', interval=50))
    """

    priority = 'ABOVE_NORMAL'  # before CheckpointHook saves

    def __init__(self, interval: int = 50, weights: bool = True) -> None:
        self.interval = interval
        self.weights = weights
        self._loss: Tensor | None = None
        self._done = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        """Look every ``interval`` iterations, and before a checkpoint is saved."""
        loss = (outputs or {}).get('loss')
        self._loss = None if loss is None else torch.as_tensor(loss).detach()
        self._done = runner.iter + 1
        if self.every_n_train_iters(runner, self.interval) or self._saves_now(runner):
            self._check(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look before the epoch is saved."""
        self._check(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look before anything is saved, for whatever reason.

        Only the first process saves.
        """
        self._check(runner, together=False)

    def look(self, runner: Runner) -> None:
        """Look now; all processes call, so that all stop together."""
        self._check(runner)

    def _saves_now(self, runner: Runner) -> bool:
        """Whether the engine's interval saves a checkpoint after this very iteration.

        Only the first process saves and would find out there, while the others wait for it in the
        next step; here they find out together. ``AtomicCheckpointHook`` asks before others of its.
        """
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                is_due = self.every_n_train_iters(runner, hook.interval)
                last = hook.save_last and self.is_last_train_iter(runner)
                if not hook.by_epoch and (is_due or last):
                    return True
        return False

    def _check(self, runner: Runner, together: bool = True) -> None:
        fault = self._find(runner)
        sick = fault is not None
        if any_process(sick) if together else sick:
            stop_run(
                runner,
                f'{fault or "Another process found values that are no numbers"}, at iteration '
                f'{self._done} (looked at every {self.interval}). Nothing was saved since; '
                f'the checkpoints in {runner.work_dir} are from before. Lower the learning rate, '
                'clip gradients (optim_wrapper.clip_grad), use bfloat16 instead of float16, or '
                'look for values that are no numbers in the data; then go on with --resume',
                together,
            )

    def _find(self, runner: Runner) -> str | None:
        """What is wrong, in words."""
        if self._loss is not None and not self._loss.isfinite().all():
            return f'The loss is {float(self._loss)}'
        names = not_finite(bare_model(runner)) if self.weights else []
        if names:
            more = f' and {len(names) - 3} more' if len(names) > 3 else ''
            return f'Weights are infinite or NaN: {", ".join(names[:3])}{more}'
        return None


def look_before_saving(runner: Runner) -> None:
    """Let the guards of a run look before a save that no interval announces.

    All processes call it.
    """
    for hook in runner.hooks:
        if isinstance(hook, FiniteLossHook):
            hook.look(runner)

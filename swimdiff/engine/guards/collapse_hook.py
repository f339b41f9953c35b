"""Stopping a run whose embeddings have collapsed."""

import math

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from swimdiff.engine.agreement import any_process
from swimdiff.engine.guards.guard import bare_model, stop_run
from swimdiff.errors import ConfigError
from swimdiff.evaluation.spread import Spread, embedding_spread
from swimdiff.models.selfsup.scene_queue import EMPTY, SceneQueue
from swimdiff.registry import HOOKS

__all__ = ['CollapseHook', 'newest_keys']

#: Keys below which nothing is judged: few keys span few dimensions.
FEWEST = 64


@HOOKS.register_module()
class CollapseHook(Hook):
    """Measure the spread of the newest keys; warn, then stop, on a collapse.

    Logs ``key_std``, ``key_cosine`` and ``key_rank``, see
    :class:`~swimdiff.evaluation.spread.Spread`. The keys are there already: nothing is embedded for
    it. A check is bad when any of the three is beyond its limit; ``patience`` bad checks in a row
    stop the run. Before ``begin`` iterations nothing is judged, since the embeddings of a network
    that is not yet trained lie close together as well; nor are fewer than 64 keys. A model without
    a queue is not looked at.

    Args:
        interval (int): Iterations between two checks. Defaults to 50.
        samples (int): Newest keys that are looked at. Defaults to 1024.
        min_std (float): Least standard deviation, of 1. Defaults to 0.1.
        max_cosine (float): Highest mean cosine, of 1. Defaults to 0.98.
        min_rank (float): Least effective rank, of D. Defaults to 5.
        begin (int): Iterations before the first judgement. Defaults to 2000; where the run is
            shorter than ten times that, a tenth of the run.
        patience (int): Bad checks in a row that stop the run. Defaults to 5.

    Raises:
        ConfigError: An option is out of range.

    Example::

        default_hooks = dict(collapse=dict(type='CollapseHook', interval=50, patience=5))
    """

    priority = 'NORMAL'  # before LoggerHook writes the line

    def __init__(
        self,
        interval: int = 50,
        samples: int = 1024,
        min_std: float = 0.1,
        max_cosine: float = 0.98,
        min_rank: float = 5.0,
        begin: int = 2000,
        patience: int = 5,
    ) -> None:
        if interval < 1 or samples < 2 or patience < 1:
            raise ConfigError(
                f'CollapseHook: interval={interval}, samples={samples}, patience={patience}: '
                'expected at least 1, 2 and 1.'
            )
        self.interval, self.samples, self.begin = interval, samples, begin
        self.min_std, self.max_cosine, self.min_rank = min_std, max_cosine, min_rank
        self.patience = patience
        self._bad = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Check every ``interval`` iterations."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        keys = newest_keys(getattr(bare_model(runner), 'queue', None), self.samples)
        if len(keys) < 2:
            return
        spread = embedding_spread(keys)
        for name, value in vars(spread).items():
            runner.message_hub.update_scalar(f'train/key_{name}', value)
        begin = min(self.begin, runner.max_iters // 10)
        ripe = runner.iter + 1 > begin and len(keys) >= min(FEWEST, self.samples)
        bad = ripe and self._is_bad(spread)
        # The queues are the same on all processes; a rounding must not part them all the same.
        self._bad = self._bad + 1 if any_process(bad) else 0
        if self._bad:
            self._judge(runner, spread)

    def _is_bad(self, spread: Spread) -> bool:
        return (
            math.isnan(spread.std)
            or spread.std < self.min_std
            or spread.cosine > self.max_cosine
            or spread.rank < self.min_rank
        )

    def _judge(self, runner: Runner, spread: Spread) -> None:
        problem = (
            f'The embeddings collapse at iteration {runner.iter + 1}: standard deviation '
            f'{spread.std:.3f} (limit {self.min_std}, 1 is even), mean cosine {spread.cosine:.3f} '
            f'(limit {self.max_cosine}), effective rank {spread.rank:.1f} (limit {self.min_rank})'
        )
        remedy = (
            'Look at the learning rate, the temperature, whether scenes are so coarse that every '
            'key is a mate (scene_mates in the log), and whether the augmentation leaves anything'
        )
        if self._bad < self.patience:
            runner.logger.warning(
                f'{problem}; check {self._bad} of the {self.patience} that stop the run. {remedy}'
            )
        else:
            stop_run(
                runner,
                f'{problem}, in {self._bad} checks in a row. {remedy}. Then start again, or '
                f'from a checkpoint in {runner.work_dir} before the collapse. '
                'CollapseHook(patience=...) waits longer',
            )


def newest_keys(queue: object, count: int) -> Tensor:
    """Return the keys pushed last, newest first, as far as there are any.

    Args:
        queue (object): A ``SceneQueue``; anything else has no keys.
        count (int): Most keys wanted.

    Returns:
        Tensor: M x D with M of at most ``count``.
    """
    if not isinstance(queue, SceneQueue):
        return torch.empty(0, 1)
    back = torch.arange(1, min(count, queue.length) + 1, device=queue.pointer.device)
    slots = (queue.pointer - back) % queue.length
    return queue.keys[slots][queue.scenes[slots] != EMPTY]

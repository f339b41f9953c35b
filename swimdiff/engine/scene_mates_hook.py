"""Telling when scene matching has nothing to match."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from swimdiff.engine.guard import Nag, bare_model
from swimdiff.models.scene_queue import EMPTY
from swimdiff.registry import HOOKS

__all__ = ['SceneMatesHook']


@HOOKS.register_module()
class SceneMatesHook(Hook):
    """Warns when queries meet hardly any key of their own scene, once the queue is full.

    Then every rule of the head is plain InfoNCE, and the run is MoCo whatever its config is called.
    Not looked at where the head's rule is ``none``, or the model has no head of this kind.

    Args:
        interval (int): Iterations that the mean is taken over. Defaults to 500.
        least (float): Mates a query below which it warns. Defaults to 0.1: nine queries in ten, or
            more, meet none.
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 500, least: float = 0.1) -> None:
        self.interval, self.least = interval, least
        self._sum: Tensor | float = 0.0
        self._count = 0
        self._nag = Nag()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Add up on the device; look at the end of an interval."""
        mates = (outputs or {}).get('scene_mates')
        if mates is None:
            return
        self._sum = self._sum + torch.as_tensor(mates).detach()
        self._count += 1
        if self.every_n_train_iters(runner, self.interval):
            mean, self._sum = float(self._sum) / self._count, 0.0
            self._count = 0
            self._judge(runner, mean)

    def _judge(self, runner: Runner, mean: float) -> None:
        model = bare_model(runner)
        rule = getattr(getattr(model, 'head', None), 'rule', 'none')
        queue = getattr(model, 'queue', None)
        if rule == 'none' or queue is None or bool((queue.scenes == EMPTY).any()):
            return
        if self._nag(mean < self.least):
            runner.logger.warning(
                f'A query met {mean:.3f} keys of its own scene on average over the last '
                f'{self.interval} iterations (expected {self.least} or more): scene matching '
                f"(rule='{rule}') does nothing, this is plain MoCo. Draw images of one scene close "
                "to each other (train_dataloader.sampler: type='SceneSampler', mates=1.5), take "
                'coarser scenes (train_dataloader.dataset.scene: TileScene, or DistanceScene with '
                f'more metres), or a longer queue (model.queue.length={queue.length}); or say '
                "rule='none'"
            )

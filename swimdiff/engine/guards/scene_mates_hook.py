"""Telling when scene matching has nothing to match."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.engine.guards.guard import DeviceMean, Nag, bare_model, find_queue, is_full
from swimdiff.errors import ConfigError
from swimdiff.registry import HOOKS

__all__ = ['SceneMatesHook']


@HOOKS.register_module()
class SceneMatesHook(Hook):
    """Warn when queries meet hardly any key of their scene, or mostly such keys.

    Without them every rule of the head is plain InfoNCE, and the run is MoCo whatever its config is
    called. Where most of the queue is of the query's own scene, there is little left to tell apart.
    Looked at once the queue is full. Not looked at where the head's rule is ``none``, or the model
    has no head of this kind.

    Args:
        interval (int): Iterations that the mean is taken over. Defaults to 500.
        least (float): Mates a query below which it warns. Defaults to 0.1: nine queries in ten, or
            more, meet none.
        most (float): Share of the queue that mates may be, above which it warns, in (0, 1].
            Defaults to 0.25.

    Raises:
        ConfigError: The share is out of range.

    Example::

        default_hooks = dict(scene_mates=dict(type='SceneMatesHook', interval=500, least=0.1))
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 500, least: float = 0.1, most: float = 0.25) -> None:
        if not 0 < most <= 1:
            raise ConfigError(f'SceneMatesHook: most={most}; expected a share above 0 and up to 1')
        self.interval, self.least, self.most = interval, least, most
        self._mates = DeviceMean()
        self._nag, self._nag_of_many = Nag(), Nag()

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
        self._mates.add(mates)
        if self.every_n_train_iters(runner, self.interval):
            self._judge(runner, self._mates.take())

    def _judge(self, runner: Runner, mean: float) -> None:
        rule = getattr(getattr(bare_model(runner), 'head', None), 'rule', 'none')
        queue = find_queue(runner)
        if rule == 'none' or queue is None or not is_full(queue):
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
        if self._nag_of_many(mean > self.most * queue.length):
            runner.logger.warning(
                f'A query met {mean:.4g} keys of its own scene on average over the last '
                f'{self.interval} iterations, {mean / queue.length:.0%} of the queue (expected up '
                f'to {self.most:.0%}): few negatives are left to tell it from. Take finer scenes '
                '(train_dataloader.dataset.scene: LocationScene, or BlockScene and DistanceScene '
                'with fewer metres), or draw fewer images of one scene together '
                '(train_dataloader.sampler.mates)'
            )

"""Warning when queries move away from their keys, or draw together."""

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from swimdiff.engine.guards.guard import DeviceMean, Nag, bare_model, find_queue, is_full
from swimdiff.errors import ConfigError
from swimdiff.registry import HOOKS

__all__ = ['TrendHook']

#: Where the state is kept that a resumed run goes on with.
_STATE = 'contrast_trend'


@HOOKS.register_module()
class TrendHook(Hook):
    """Watch two trends of a pre-training run from its first steps; only warn.

    - ``feature_spread``, the standard deviation of the queries times sqrt(D): 1 when spread evenly,
      0 at a point. Looked at in iterations 1, 2, 4, 8 ... and at every interval. It warns when both
      less than ``least_spread`` of 1 and less than ``least_kept`` of the first value are left.
    - ``contrast_rise``, the contrastive loss (its mean over an interval, in nats, without the
      weight lambda_C) above the lowest such mean so far, and ``similarity_lost``, the similarity to
      the positive below the highest such mean. Only intervals that begin with a full queue count.
      The loss alone rises in healthy runs, too: negatives become harder as the key encoder slows
      down (docs/evidence/guards.md). It warns when the rise is more than ``most_rise`` and the
      queries lost more than ``most_lost`` of the similarity to their own keys.

    All are logged. Outside of its looks nothing waits for the device. A model whose step returns
    no ``feature_std``, or not both of ``loss_contrast`` and ``positive_similarity``, is not judged
    by it.

    Args:
        interval (int): Iterations that a mean is taken over, at least 1. Defaults to 25.
        least_spread (float): Of 1, even spread. Defaults to 0.1.
        least_kept (float): Of 1, the spread in the first iteration. Defaults to 0.25.
        most_rise (float): In nats, positive. Defaults to 0.2.
        most_lost (float): Of a cosine, positive. Defaults to 0.2.

    Raises:
        ConfigError: An option is out of range.

    Example::

        default_hooks = dict(trend=dict(type='TrendHook', interval=25, most_rise=0.2))
    """

    priority = 'NORMAL'  # before LoggerHook writes the line

    def __init__(
        self,
        interval: int = 25,
        least_spread: float = 0.1,
        least_kept: float = 0.25,
        most_rise: float = 0.2,
        most_lost: float = 0.2,
    ) -> None:
        if interval < 1 or min(least_spread, least_kept, most_rise, most_lost) <= 0:
            raise ConfigError(
                f'TrendHook: interval={interval} must be at least 1, least_spread={least_spread}, '
                f'least_kept={least_kept}, most_rise={most_rise}, most_lost={most_lost} positive.'
            )
        self.interval, self.most_rise, self.most_lost = interval, most_rise, most_lost
        self.least_spread, self.least_kept = least_spread, least_kept
        self._first_spread = self._lowest = self._closest = math.nan
        self._full = False
        self._loss, self._similarity = DeviceMean(), DeviceMean()
        self._nags = {'spread': Nag(), 'rise': Nag()}

    def before_train(self, runner: Runner) -> None:
        """Go on from the state of the run that is resumed."""
        state = runner.message_hub.get_info(_STATE) if runner.iter else None
        if state:
            self._first_spread, self._lowest, self._full, *closest = state
            self._closest = closest[0] if closest else math.nan  # older checkpoints have none

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Add up on the device; look early and at every interval."""
        outputs, iterations_done = outputs or {}, runner.iter + 1
        is_due = iterations_done % self.interval == 0
        loss, similarity = outputs.get('loss_contrast'), outputs.get('positive_similarity')
        if loss is not None and similarity is not None:
            self._loss.add(loss)
            self._similarity.add(similarity)
        if is_due or iterations_done & (iterations_done - 1) == 0:
            self._look_at_spread(runner, outputs.get('feature_std'))
        if is_due and self._loss.count:
            self._look_at_loss(runner, self._loss.take(), self._similarity.take())
        if is_due:
            state = (self._first_spread, self._lowest, self._full, self._closest)
            runner.message_hub.update_info(_STATE, state)

    def _look_at_spread(self, runner: Runner, deviation: Tensor | float | None) -> None:
        queue = find_queue(runner)
        if deviation is None or queue is None:
            return
        spread = float(deviation) * math.sqrt(queue.keys.shape[1])
        runner.message_hub.update_scalar('train/feature_spread', spread)
        if math.isnan(self._first_spread):
            self._first_spread = spread
        kept_share = spread / max(self._first_spread, 1e-12)
        if self._nags['spread'](spread < self.least_spread and kept_share < self.least_kept):
            runner.logger.warning(
                f'The queries draw together: at iteration {runner.iter + 1} their standard '
                f'deviation is {spread:.3f} of an even spread (expected {self.least_spread} or '
                f'more) and {kept_share:.0%} of what it was at the start (expected '
                f'{self.least_kept:.0%} or more). Most often the learning rate is too high for the '
                'batch: start again with a lower one (tools/train.py --auto-scale-lr scales it), '
                'or with batch norm in the neck (model.neck.batch_norm=True)'
            )

    def _look_at_loss(self, runner: Runner, mean: float, similarity: float) -> None:
        mean /= getattr(bare_model(runner), 'lambda_c', 1.0) or 1.0
        if not self._full:  # this interval began with a queue that was not; the next one counts
            queue = find_queue(runner)
            self._full = queue is None or is_full(queue)
            return
        if not mean >= self._lowest:  # the first one, too: the lowest is NaN then
            self._lowest = mean
        if not similarity <= self._closest:
            self._closest = similarity
        rise, drop = mean - self._lowest, self._closest - similarity
        runner.message_hub.update_scalar('train/contrast_rise', rise)
        runner.message_hub.update_scalar('train/similarity_lost', drop)
        if self._nags['rise'](rise > self.most_rise and drop > self.most_lost):
            runner.logger.warning(
                f'Queries move away from their keys: at iteration {runner.iter + 1}, over '
                f'{self.interval} iterations, the similarity to the positive is {similarity:.3f}, '
                f'{drop:.3f} below its highest since the queue was full (at most {self.most_lost} '
                f'is expected); the contrastive loss is {mean:.3f}, {rise:.3f} above its lowest '
                f'({self.most_rise}). In a healthy run the similarity rises or levels off. Lower '
                'the learning rate (tools/train.py --auto-scale-lr fits it to the batch); with few '
                'images, take a shorter queue and a lower momentum as '
                'configs/swimdiff_r18_seco-small.py does'
            )

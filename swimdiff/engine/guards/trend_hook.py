"""Warning when the contrastive loss rises instead of falling, or the queries draw together."""

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
    """Watches two trends of a pre-training run from its first steps; warns, never stops.

    - ``feature_spread``, the standard deviation of the queries times sqrt(D): 1 when spread evenly,
      0 at a point. Looked at in iterations 1, 2, 4, 8 ... and at every interval. It warns when both
      less than ``least_spread`` of 1 and less than ``least_kept`` of the first value are left.
    - ``contrast_rise``, the contrastive loss (its mean over an interval, in nats, without the
      weight lambda_C) above the lowest such mean so far. The loss rises by itself while the queue
      fills, so only intervals that begin with a full queue count. It warns when the rise is more
      than ``most_rise``.

    Both are logged. Outside of its looks nothing waits for the device. A model whose step returns
    no ``feature_std`` or no ``loss_contrast`` is not judged by it.

    Args:
        interval (int): Iterations that a mean is taken over, at least 1. Defaults to 25.
        least_spread (float): Of 1, even spread. Defaults to 0.1.
        least_kept (float): Of 1, the spread in the first iteration. Defaults to 0.25.
        most_rise (float): In nats, positive. Defaults to 0.2.

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
    ) -> None:
        if interval < 1 or min(least_spread, least_kept, most_rise) <= 0:
            raise ConfigError(
                f'TrendHook: interval={interval} must be at least 1, least_spread={least_spread}, '
                f'least_kept={least_kept} and most_rise={most_rise} positive.'
            )
        self.interval, self.most_rise = interval, most_rise
        self.least_spread, self.least_kept = least_spread, least_kept
        self._first_spread = self._lowest = math.nan
        self._full = False
        self._loss = DeviceMean()
        self._nags = {'spread': Nag(), 'rise': Nag()}

    def before_train(self, runner: Runner) -> None:
        """Go on from the state of the run that is resumed."""
        state = runner.message_hub.get_info(_STATE) if runner.iter else None
        if state:
            self._first_spread, self._lowest, self._full = state

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Add up on the device; look early and at every interval."""
        outputs, done = outputs or {}, runner.iter + 1
        due = done % self.interval == 0
        loss = outputs.get('loss_contrast')
        if loss is not None:
            self._loss.add(loss)
        if due or done & (done - 1) == 0:
            self._look_at_spread(runner, outputs.get('feature_std'))
        if due and self._loss.count:
            self._look_at_loss(runner, self._loss.take())
        if due:
            state = (self._first_spread, self._lowest, self._full)
            runner.message_hub.update_info(_STATE, state)

    def _look_at_spread(self, runner: Runner, deviation: Tensor | float | None) -> None:
        queue = find_queue(runner)
        if deviation is None or queue is None:
            return
        spread = float(deviation) * math.sqrt(queue.keys.shape[1])
        runner.message_hub.update_scalar('train/feature_spread', spread)
        if math.isnan(self._first_spread):
            self._first_spread = spread
        kept = spread / max(self._first_spread, 1e-12)
        if self._nags['spread'](spread < self.least_spread and kept < self.least_kept):
            runner.logger.warning(
                f'The queries draw together: at iteration {runner.iter + 1} their standard '
                f'deviation is {spread:.3f} of an even spread (expected {self.least_spread} or '
                f'more) and {kept:.0%} of what it was at the start (expected '
                f'{self.least_kept:.0%} or more). Most often the learning rate is too high for the '
                'batch: start again with a lower one (tools/train.py --auto-scale-lr scales it), '
                'or with batch norm in the neck (model.neck.batch_norm=True)'
            )

    def _look_at_loss(self, runner: Runner, mean: float) -> None:
        done = runner.iter + 1
        mean /= getattr(bare_model(runner), 'lambda_c', 1.0) or 1.0
        if not self._full:  # this interval began with a queue that was not; the next one counts
            queue = find_queue(runner)
            self._full = queue is None or is_full(queue)
            return
        if not mean >= self._lowest:  # the first one, too: the lowest is NaN then
            self._lowest = mean
        rise = mean - self._lowest
        runner.message_hub.update_scalar('train/contrast_rise', rise)
        if self._nags['rise'](rise > self.most_rise):
            runner.logger.warning(
                f'The contrastive loss rises: at iteration {done} its mean over {self.interval} '
                f'iterations is {mean:.3f}, {rise:.3f} above the lowest since the queue was full '
                f'({self._lowest:.3f}; at most {self.most_rise} is expected). A healthy curve '
                'rises while the queue fills, then falls and levels off. Look whether '
                'positive_similarity and feature_spread fall as well. Lower the learning rate '
                '(tools/train.py --auto-scale-lr fits it to the batch); with few images, take a '
                'shorter queue and a lower momentum as configs/swimdiff_r18_seco-small.py does'
            )

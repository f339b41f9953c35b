"""Logging which of the two losses moves the encoder."""

from mmengine.hooks import Hook
from mmengine.runner import FlexibleRunner, Runner

from swimdiff.engine.guards.guard import bare_model
from swimdiff.errors import ConfigError
from swimdiff.registry import HOOKS

__all__ = ['GradientShareHook']


@HOOKS.register_module()
class GradientShareHook(Hook):
    """Log |g_D| / |g_C| of the encoder, in all and by stage.

    It costs a backward pass.

    See :func:`~swimdiff.models.selfsup.gradient_share.measure_gradients`. The weight ``lambda_d``
    says little by itself; this is what it amounts to. Nothing is measured in a compiled step, whose
    graph cannot be kept, or where parameters are sharded, and none where the model has no
    diffusion branch.

    Example::

        default_hooks = dict(gradient_share=dict(type='GradientShareHook', interval=500))

    Args:
        interval (int): Iterations between two measurements. Defaults to 500.

    Raises:
        ConfigError: The interval is below 1.
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 500) -> None:
        if interval < 1:
            raise ConfigError(f'GradientShareHook: interval must be at least 1, got {interval}')
        self.interval = interval

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Switch the measurement on for the iterations that are due."""
        model = bare_model(runner)
        if getattr(model, 'diffusion', None) is not None:
            plain = not runner.cfg.get('compile') and not isinstance(runner, FlexibleRunner)
            model.watch_gradients = plain and self.every_n_train_iters(runner, self.interval)

"""Telling when the diffusion branch asks nothing of the encoder."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.engine.guards.guard import Nag, bare_model
from swimdiff.errors import ConfigError
from swimdiff.evaluation.undisturbed import undisturbed
from swimdiff.registry import HOOKS

__all__ = ['FeatureRelianceHook']


@HOOKS.register_module()
class FeatureRelianceHook(Hook):
    """Measure how much denoising rests on the features; warn when it hardly does.

    Logs ``feature_reliance``, its values by range of noise (``feature_reliance_1`` for little noise
    to ``_3`` for much) and ``feature_reliance_deepest``, see
    :meth:`~swimdiff.models.diffusion.diffusion_branch.DiffusionBranch.measure_reliance`. A few
    images of the batch are encoded and decoded without gradient. A model without a diffusion
    branch is left out.

    Example::

        default_hooks = dict(feature_reliance=dict(type='FeatureRelianceHook', interval=500))

    Args:
        interval (int): Iterations between two measurements. Defaults to 50, that of the log.
        images (int): Images of the batch that are used, at least 2. Defaults to 16.
        least (float): Reliance below which a measurement is bad. Defaults to 0.2.
        patience (int): Bad measurements in a row before it warns: a new decoder has not learned to
            use features yet. Defaults to 12.

    Raises:
        ConfigError: An option is out of range.
    """

    priority = 'NORMAL'  # before LoggerHook writes the line

    def __init__(
        self, interval: int = 50, images: int = 16, least: float = 0.2, patience: int = 12
    ) -> None:
        if interval < 1 or images < 2 or patience < 1:
            raise ConfigError(
                f'FeatureRelianceHook: interval={interval}, images={images}, patience={patience}: '
                'expected at least 1, 2 and 1.'
            )
        self.interval, self.images = interval, images
        self.least, self.patience = least, patience
        self._bad = 0
        self._nag = Nag()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Measure every ``interval`` iterations."""
        if not self.every_n_train_iters(runner, self.interval) or data_batch is None:
            return
        model = bare_model(runner)
        branch = getattr(model, 'diffusion', None)
        if branch is None:
            return
        with undisturbed(model):
            views = model.data_preprocessor(data_batch, training=True)['inputs']
            x_0 = branch.choose_images([view[: self.images] for view in views])
            if len(x_0) < 2:
                return
            x_0 = x_0.contiguous(memory_format=model.memory_format)
            reliance = branch.measure_reliance(model.backbone, x_0)
        for name, value in reliance.items():
            suffix = '' if name == 'all' else f'_{name}'
            runner.message_hub.update_scalar(f'train/feature_reliance{suffix}', value)
        self._judge(runner, reliance['all'])

    def _judge(self, runner: Runner, reliance: float) -> None:
        self._bad = self._bad + 1 if reliance < self.least else 0
        if self._nag(self._bad >= self.patience):
            runner.logger.warning(
                f'The diffusion branch hardly uses the encoder: feature_reliance is {reliance:.2f} '
                f'(expected {self.least} or more; 0 is an error no larger with the features of '
                f'another image), in {self._bad} measurements in a row. What falls '
                'in loss_diffusion is then learned from the noised image alone. Predict the image '
                "(model.diffusion.loss.prediction='x0') and give the decoder nothing but features "
                '(model.diffusion.decoder.skip_noised=False)'
            )

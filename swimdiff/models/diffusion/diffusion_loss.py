"""The pixel-level loss of the diffusion branch.

Reconstruction: mean squared error between the decoder's output and its target (DDPM's simple loss),
optionally weighted by the noise level.
"""

from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.models.diffusion.noise_schedule import PREDICTIONS, NoiseSchedule
from swimdiff.registry import MODELS

__all__ = ['DiffusionLoss']


@MODELS.register_module()
class DiffusionLoss(nn.Module):
    """Compute the squared error against the image, the noise or the velocity.

    Example::

        loss = dict(type='DiffusionLoss', prediction='x0', weighting='uniform')

    Args:
        prediction (str): What the decoder predicts: the image, 'x0', the noise, 'eps' (DDPM), or
            'v'. Noise is no target to learn features from (docs/evidence/defaults.md).
            Defaults to 'x0'.
        weighting (str): 'uniform' over t, or 'min_snr'. Defaults to 'uniform'.
        gamma (float): Ceiling of the signal-to-noise ratio for 'min_snr'. Defaults to 5.

    Raises:
        ConfigError: If an option is unknown.
    """

    def __init__(
        self, prediction: str = 'x0', weighting: str = 'uniform', gamma: float = 5.0
    ) -> None:
        super().__init__()
        if prediction not in PREDICTIONS:
            raise ConfigError(
                f'DiffusionLoss: prediction must be one of {PREDICTIONS}, got {prediction!r}'
            )
        if weighting not in ('uniform', 'min_snr'):
            raise ConfigError(
                f"DiffusionLoss: weighting must be 'uniform' or 'min_snr', got {weighting!r}"
            )
        self.prediction = prediction
        self.weighting = weighting
        self.gamma = gamma

    def forward(
        self, output: Tensor, x_0: Tensor, eps: Tensor, t: Tensor, schedule: NoiseSchedule
    ) -> Tensor:
        """Compute the loss.

        Args:
            output (Tensor): N x C x H x W output of the decoder.
            x_0 (Tensor): N x C x H x W clean images.
            eps (Tensor): The noise that was added, same shape.
            t (Tensor): N steps.
            schedule (NoiseSchedule): The forward process.

        Returns:
            Tensor: Scalar, in float32 whatever the precision of the output.
        """
        target = schedule.target(x_0, eps, t, self.prediction)
        error = (output.float() - target.float()).square().mean(dim=(1, 2, 3))  # N
        if self.weighting == 'min_snr':
            error = error * schedule.min_snr_weight(t, self.prediction, self.gamma)
        return error.mean()

"""The forward process q(x_t | x_0) of the diffusion branch, as tables.

Reconstruction: the paper gives the forward process as a Markov chain that adds noise; the
schedules are DDPM's linear one (Ho et al., 2020, arXiv 2006.11239, section 4) and the cosine one
of Nichol and Dhariwal (2021, arXiv 2102.09672, eq. 17).

``diffusers`` has both tables too. It is not used here because its schedulers move the tables
between host and device in every call, give the estimate of x_0 only inside a sampling step, and
bring a hub client into every training environment, for what is a cumulative product. The tests
hold this module against ``diffusers.DDPMScheduler`` instead.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['NoiseSchedule']

PREDICTIONS = ('eps', 'x0', 'v')


def _linear_betas(num_steps: int, beta_start: float, beta_end: float) -> Tensor:
    return torch.linspace(beta_start, beta_end, num_steps, dtype=torch.float64)


def _cosine_betas(num_steps: int, offset: float = 0.008, max_beta: float = 0.999) -> Tensor:
    time = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    alphas_bar = torch.cos((time + offset) / (1 + offset) * math.pi / 2) ** 2
    return (1 - alphas_bar[1:] / alphas_bar[:-1]).clamp(max=max_beta)


@MODELS.register_module()
class NoiseSchedule(nn.Module):
    """Hold tables of the forward process, and convert x_0, noise, velocity, x_t.

    Notation of DDPM: ``abar_t`` is the share of the signal's variance left at step t. Tables are
    computed in float64 and kept in float32 outside the checkpoint: they follow from the config.

    Which steps training draws is part of the schedule: half of DDPM's leave less than a tenth of
    the image's variance, and teach an encoder little (docs/evidence/defaults.md).

    Example::

        schedule = dict(type='NoiseSchedule', schedule='linear')
        schedule = dict(type='NoiseSchedule', betas=[0.1, 0.2, 0.4])

    Args:
        num_steps (int): T, the number of noise levels; t runs from 0 to T - 1. Defaults to 1000.
        schedule (str): 'linear' or 'cosine'. Defaults to 'linear'.
        beta_start (float): First beta of the linear schedule, in (0, 1). Defaults to 1e-4.
        beta_end (float): Last beta of the linear schedule, in (0, 1). Defaults to 0.02.
        betas (Sequence[float], optional): The betas themselves, each in (0, 1), instead of all of
            the above. Defaults to None.
        least_signal (float): Steps are drawn down to this ``abar_t``, in [0, 1); 0 draws all.
            Defaults to 0.2.
        density (str): How steps are drawn: 'uniform', or 'logit_normal' (Esser et al., 2024, arXiv
            2403.03206, section 3.1), which favours middle steps. Defaults to 'uniform'.

    Raises:
        ConfigError: If an option is unknown or out of range.
    """

    def __init__(
        self,
        num_steps: int = 1000,
        schedule: str = 'linear',
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        betas: Sequence[float] | None = None,
        least_signal: float = 0.2,
        density: str = 'uniform',
    ) -> None:
        super().__init__()
        if betas is not None:
            num_steps = len(betas)
        if num_steps < 2:
            raise ConfigError(f'NoiseSchedule: num_steps must be at least 2, got {num_steps}')
        if not 0 < beta_start <= beta_end < 1:
            raise ConfigError(
                'NoiseSchedule: expected 0 < beta_start <= beta_end < 1, '
                f'got {beta_start} and {beta_end}'
            )
        if density not in ('uniform', 'logit_normal'):
            raise ConfigError(
                f"NoiseSchedule: density must be 'uniform' or 'logit_normal', got {density!r}"
            )
        if betas is not None:
            table = torch.tensor(list(betas), dtype=torch.float64)
            if not ((table > 0) & (table < 1)).all():
                raise ConfigError(f'NoiseSchedule: betas must lie in (0, 1), got {list(betas)}')
        elif schedule == 'linear':
            table = _linear_betas(num_steps, beta_start, beta_end)
        elif schedule == 'cosine':
            table = _cosine_betas(num_steps)
        else:
            raise ConfigError(
                f"NoiseSchedule: schedule must be 'linear' or 'cosine', got {schedule!r}"
            )
        self.num_steps = num_steps
        alphas_bar = torch.cumprod(1 - table, dim=0)
        #: Steps below this one are drawn.
        self.drawn_steps = int((alphas_bar >= least_signal).sum())
        if not 0 <= least_signal < 1 or self.drawn_steps < 1:
            raise ConfigError(
                f'NoiseSchedule: least_signal={least_signal} leaves no step to draw; expected a '
                f'share from 0 to below {alphas_bar[0].item():.4g}, what the first step leaves'
            )
        self.density = density
        # log(1 - abar) loses digits in float32 for small t: every table is made in float64.
        tables = {
            'signal': alphas_bar.sqrt(),
            'noise': (1 - alphas_bar).sqrt(),
            'snr': alphas_bar / (1 - alphas_bar),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float(), persistent=False)
        self.signal: Tensor
        self.noise: Tensor
        self.snr: Tensor

    def sample_steps(self, batch_size: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw t for each image by the density of the schedule.

        Args:
            batch_size (int): N.
            generator (torch.Generator, optional): Of the device of the tables. Defaults to None,
                the device's global one.

        Returns:
            Tensor: N int64 steps in [0, ``drawn_steps``), on the device of the tables.
        """
        shape, device = (batch_size,), self.signal.device
        if self.density == 'uniform':
            return torch.randint(self.drawn_steps, shape, generator=generator, device=device)
        part = torch.randn(shape, generator=generator, device=device).sigmoid()
        return (part * self.drawn_steps).long().clamp_(max=self.drawn_steps - 1)

    def add_noise(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """Return x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps (DDPM eq. 4).

        Args:
            x_0 (Tensor): N x C x H x W standardised images.
            eps (Tensor): Standard normal noise of the same shape.
            t (Tensor): N steps.

        Returns:
            Tensor: N x C x H x W noised images.
        """
        signal, noise = self._levels(t)
        return signal * x_0 + noise * eps

    def target(self, x_0: Tensor, eps: Tensor, t: Tensor, prediction: str) -> Tensor:
        """Return what the decoder is asked for: noise, image or velocity.

        The velocity is v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0 (Salimans and Ho, 2022,
        arXiv 2202.00512).

        Args:
            x_0: N x C x H x W images.
            eps: Their noise, of the same shape.
            t: N steps.
            prediction: ``'eps'``, ``'x0'`` or ``'v'``.
        """
        if prediction == 'eps':
            return eps
        if prediction == 'x0':
            return x_0
        signal, noise = self._levels(t)
        return signal * eps - noise * x_0

    def scalar_gain_error(self, t: Tensor, prediction: str, power: Tensor) -> Tensor:
        """Return the squared error of the best multiple of x_t, without a network.

        For a target u x_0 + w eps, with P the mean square of x_0 and both uncorrelated::

            E[target^2] - E[target x_t]^2 / E[x_t^2]

        A network whose error is not below it has learned a gain.

        Args:
            t (Tensor): N steps.
            prediction (str): 'eps', 'x0' or 'v'.
            power (Tensor): P, one for all or N of them.

        Returns:
            Tensor: N mean squared errors per pixel.
        """
        signal, noise = self.signal[t], self.noise[t]
        on_image, on_noise = {
            'eps': (torch.zeros_like(signal), torch.ones_like(signal)),
            'x0': (torch.ones_like(signal), torch.zeros_like(signal)),
            'v': (-noise, signal),
        }[prediction]
        of_target = on_image.square() * power + on_noise.square()
        of_both = on_image * signal * power + on_noise * noise
        return of_target - of_both.square() / (signal.square() * power + noise.square())

    def estimate_x0(self, output: Tensor, x_t: Tensor, t: Tensor, prediction: str) -> Tensor:
        """Return the estimate of x_0 that a decoder output means.

        Args:
            output (Tensor): N x C x H x W output of the decoder.
            x_t (Tensor): The noised images it was computed from.
            t (Tensor): N steps.
            prediction (str): 'eps', 'x0' or 'v'.

        Returns:
            Tensor: N x C x H x W denoised estimate, not clipped.
        """
        if prediction == 'x0':
            return output
        signal, noise = self._levels(t)
        if prediction == 'eps':
            return (x_t - noise * output) / signal
        return signal * x_t - noise * output

    def min_snr_weight(self, t: Tensor, prediction: str, gamma: float = 5.0) -> Tensor:
        """Return the weights of the min-SNR-gamma strategy.

        Hang et al., 2023, arXiv 2303.09556, section 3.4.

        Args:
            t (Tensor): N steps.
            prediction (str): 'eps', 'x0' or 'v'; the weight is min(SNR, gamma) times the factor
                that turns a squared error of this target into one of x_0.
            gamma (float): Ceiling of the signal-to-noise ratio. Defaults to 5.

        Returns:
            Tensor: N weights.
        """
        snr = self.snr[t]
        weight = snr.clamp(max=gamma)
        return {'eps': weight / snr, 'x0': weight, 'v': weight / (snr + 1)}[prediction]

    def _levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.signal[t].view(-1, 1, 1, 1), self.noise[t].view(-1, 1, 1, 1)

"""The decoder of the denoising network: from the query encoder's pyramid back to pixels.

Paper: an encoder and a decoder form the diffusion network, the encoder being the query encoder.
Reconstruction: a U-Net decoder with a sinusoidal time embedding in every residual block. All of its
work is done at the stride of the finest pyramid level and coarser; x_t enters and the output leaves
by space-to-depth, so that full resolution costs no full-resolution convolution.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.models.diffusion.step_random import draw_uniform
from swimdiff.registry import MODELS

__all__ = ['DenoisingDecoder', 'time_embedding']


def time_embedding(t: Tensor, channels: int, max_period: float = 10000.0) -> Tensor:
    """Return the sinusoidal embedding of the step.

    It is that of Vaswani et al., 2017, as DDPM uses it.

    Args:
        t (Tensor): N steps.
        channels (int): Even length of the embedding.
        max_period (float): Longest wavelength over 2 pi. Defaults to 10000.

    Returns:
        Tensor: N x channels, sines first.
    """
    half = torch.arange(channels // 2, device=t.device, dtype=torch.float32)
    frequencies = torch.exp(-math.log(max_period) * half / (channels // 2))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, 8), channels)


def _in_format_of(reference: Tensor, x: Tensor) -> Tensor:
    """Maps of different memory formats would be concatenated into the slower of the two."""
    last = reference.is_contiguous(memory_format=torch.channels_last)
    return x.contiguous(memory_format=torch.channels_last) if last else x


class _ResidualBlock(nn.Module):
    """GroupNorm-SiLU-conv twice, the second normalisation shifted and scaled by the time."""

    def __init__(self, in_channels: int, out_channels: int, time_channels: int) -> None:
        super().__init__()
        self.norm1 = _group_norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time = nn.Linear(time_channels, 2 * out_channels)
        self.norm2 = _group_norm(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        out = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        out = self.norm2(out) * (1 + scale) + shift
        return self.shortcut(x) + self.conv2(F.silu(out))


@MODELS.register_module()
class DenoisingDecoder(BaseModule):
    """Decode a feature pyramid of any channels and strides by a U-Net.

    Example::

        decoder = dict(type='DenoisingDecoder', channels=(32, 48, 64, 96))

    Args:
        in_channels (Sequence[int]): Channels of every pyramid level, finest first.
        strides (Sequence[int]): Strides of the levels in input pixels, same order.
        image_channels (int): C, the number of bands. The three are filled in by SwiMDiff from the
            backbone that is built.
        levels (Sequence[int]): Which levels feed the decoder, in ascending order. What the finest
            hold never has to pass the deeper ones. Defaults to (0, 1, 2, 3).
        channels (Sequence[int]): Width on the grid of each level from the finest of the pyramid to
            the deepest that feeds, whether or not the level itself feeds. Defaults to
            (32, 48, 64, 96).
        time_channels (int): Even length of the time embedding. Defaults to 128.
        skip_noised (bool): Whether x_t itself reaches the last stage, as its input and, scaled by
            a learned gain of the step and band, as part of its output. The decoder can then denoise
            without the encoder (docs/evidence/defaults.md); to predict the noise it is needed, as
            noise of 16 pixels per band would have to pass through the few channels of the finest
            level. Defaults to False.
        drop_levels (float): Probability, for each image while training, that the decoder is left
            without all levels finer than a random one, so that the deep stages have to hold the
            image, too (reconstruction). In [0, 1). Defaults to 0.5.
        init_cfg (dict, optional): Initialisation. Defaults to None, torch's own.

    Raises:
        ConfigError: If levels, widths and pyramid do not fit together.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        image_channels: int,
        levels: Sequence[int] = (0, 1, 2, 3),
        channels: Sequence[int] = (32, 48, 64, 96),
        time_channels: int = 128,
        skip_noised: bool = False,
        drop_levels: float = 0.5,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        levels = tuple(levels)
        if not levels or list(levels) != sorted(set(levels)) or levels[-1] + 1 != len(channels):
            raise ConfigError(
                'DenoisingDecoder: levels must ascend, and channels give one width per level from '
                f'the finest, 0, to the deepest that feeds, got levels={levels} and '
                f'channels={tuple(channels)}'
            )
        if levels[0] < 0 or levels[-1] >= len(in_channels):
            raise ConfigError(
                f'DenoisingDecoder: levels={levels}, but the backbone gives a pyramid of '
                f'{len(in_channels)} level(s), channels {tuple(in_channels)}; set its out_indices '
                'or choose other levels'
            )
        if time_channels < 2 or time_channels % 2:
            raise ConfigError(f'DenoisingDecoder: time_channels must be even, got {time_channels}')
        if not 0 <= drop_levels < 1:
            raise ConfigError(f'DenoisingDecoder: drop_levels must be in [0, 1), got {drop_levels}')
        self.levels = levels
        self.drop_levels = drop_levels
        self.strides = list(strides[: len(channels)])
        self.stride = strides[0]
        self.time_channels = time_channels
        self.skip_noised = skip_noised
        self.time = nn.Sequential(nn.Linear(time_channels, time_channels), nn.SiLU())
        self.laterals = nn.ModuleDict(
            {str(level): nn.Conv2d(in_channels[level], channels[level], 1) for level in levels}
        )
        folded_channels = image_channels * self.stride**2  # one pixel of the finest level, unfolded
        blocks = []
        for i, width in enumerate(channels):
            entering_channels = width if i in levels else 0
            entering_channels += channels[i + 1] if i + 1 < len(channels) else 0
            entering_channels += folded_channels if i == 0 and skip_noised else 0
            blocks.append(_ResidualBlock(entering_channels, width, time_channels))
        self.blocks = nn.ModuleList(blocks)
        self.out_norm = _group_norm(channels[0])
        self.out_conv = nn.Conv2d(channels[0], folded_channels, 3, padding=1)
        self.gain = nn.Linear(time_channels, image_channels) if skip_noised else None
        self._start_from_zero()

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, then let the prediction start from zero again."""
        super().init_weights()
        self._start_from_zero()

    def _start_from_zero(self) -> None:
        # A zero output is the best guess of zero-mean noise: the loss starts at 1, not above it.
        for layer in (self.out_conv, self.gain):
            if layer is not None:
                for parameter in layer.parameters():
                    nn.init.zeros_(parameter)

    def forward(self, feats: Sequence[Tensor], x_t: Tensor, t: Tensor) -> Tensor:
        """Decode.

        Args:
            feats (Sequence[Tensor]): The encoder's pyramid, each N x C_i x H_i x W_i.
            x_t (Tensor): N x C x H x W noised images; only their size matters when
                ``skip_noised`` is off.
            t (Tensor): N steps.

        Returns:
            Tensor: N x C x H x W prediction.
        """
        time = self.time(time_embedding(t, self.time_channels).to(x_t.dtype))
        height, width = x_t.shape[-2:]
        out = None
        kept_levels = self._draw_kept(len(x_t), x_t.device)
        for i in reversed(range(len(self.blocks))):
            parts: list[Tensor] = []
            if i in self.levels:
                parts.append(self.laterals[str(i)](feats[i]))
                if kept_levels is not None:
                    parts[0] = parts[0] * kept_levels[:, i].view(-1, 1, 1, 1).to(parts[0].dtype)
            grid = self._choose_grid(i, parts, (height, width))
            if i == 0 and parts and parts[0].shape[-2:] != grid:  # a stem that drops the last rows
                parts[0] = F.interpolate(parts[0], size=grid, mode='nearest')
            if out is not None:
                parts.append(F.interpolate(out, size=grid, mode='nearest'))
            if i == 0 and self.skip_noised:
                parts.append(_in_format_of(parts[0], self._fold(x_t, grid)))
            out = self.blocks[i](torch.cat(parts, dim=1), time)
        assert out is not None
        out = F.pixel_shuffle(self.out_conv(F.silu(self.out_norm(out))), self.stride)
        out = out[..., :height, :width]
        return out if self.gain is None else out + self.gain(time)[:, :, None, None] * x_t

    def _choose_grid(
        self, level: int, lateral: Sequence[Tensor], size: tuple[int, int]
    ) -> tuple[int, int]:
        """Return height and width on which a level is decoded: the feature map's own, if any."""
        if level > 0 and lateral:
            return lateral[0].shape[-2], lateral[0].shape[-1]
        stride = self.strides[level]
        return math.ceil(size[0] / stride), math.ceil(size[1] / stride)

    def _draw_kept(self, rows: int, device: torch.device) -> Tensor | None:
        """Draw which levels each image's decoder sees, N x (deepest + 1) bool; None for all."""
        if not self.training or self.drop_levels == 0 or len(self.levels) < 2:
            return None
        feeding_levels = torch.tensor(self.levels, device=device)
        place, chance = draw_uniform(rows, 2, 'levels', device).unbind(1)
        finest = feeding_levels[1 + (place * (len(feeding_levels) - 1)).long()]
        finest = finest * (chance < self.drop_levels)
        return torch.arange(len(self.blocks), device=device) >= finest[:, None]

    def _fold(self, x_t: Tensor, grid: tuple[int, int]) -> Tensor:
        """Space to depth at the finest stride, padding the image where it does not divide."""
        bottom = grid[0] * self.stride - x_t.shape[-2]
        right = grid[1] * self.stride - x_t.shape[-1]
        if bottom or right:
            x_t = F.pad(x_t, (0, right, 0, bottom), mode='replicate')
        return F.pixel_unshuffle(x_t, self.stride)

"""Noised images with their restorations (paper, figure 3)."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.models.selfsup.swimdiff import SwiMDiff
from swimdiff.visualization.pretraining import Shower, denoising_strip, spread_steps

__all__ = ['restoration_figure']


def restoration_figure(
    model: SwiMDiff,
    images: Tensor,
    bands: Sequence[str],
    steps: Sequence[int] | None = None,
    seed: int = 0,
) -> tuple[Figure, dict[int, float]]:
    """Draw images, noised at several steps, each with the restoration in one step.

    Args:
        model (SwiMDiff): In evaluation mode, with a diffusion branch.
        images (Tensor): N x C x H x W uint8.
        bands (Sequence[str]): Names of the channels.
        steps (Sequence[int], optional): The t to show. Defaults to None, four spread over those of
            the training.
        seed (int): Of the noise. Defaults to 0.

    Raises:
        ConfigError: The model has no diffusion branch.

    Returns:
        tuple[Figure, dict[int, float]]: The picture, not yet saved, and by step the mean absolute
        error of the restorations, of 255 grey levels.
    """
    if model.diffusion is None:
        raise ConfigError('This model has no diffusion branch (lambda_d=0): nothing is restored')
    steps = list(steps or spread_steps(model))
    show = Shower(images, bands)
    figure = Figure(figsize=(1.5 * (1 + 2 * len(steps)), 1.65 * len(images)), layout='constrained')
    grid = figure.subplots(len(images), 1 + 2 * len(steps), squeeze=False)
    errors = torch.zeros(len(steps))
    for row, image in enumerate(images):
        show(grid[row, 0], image, 'image' if row == 0 else '')
        noised_images, restored_images = denoising_strip(model, image, steps, seed + row)
        errors += (restored_images.float() - image.float()).abs().mean(dim=(1, 2, 3)) / len(images)
        for place, step in enumerate(steps):
            signal_share = float(model.diffusion.schedule.signal[step] ** 2)
            title = f't = {step}: {signal_share:.0%} of\nthe variance left' if row == 0 else ''
            show(grid[row, 1 + 2 * place], noised_images[place], title)
            show(grid[row, 2 + 2 * place], restored_images[place], 'restored' if row == 0 else '')
    return figure, dict(zip(steps, errors.tolist(), strict=True))

"""The panels of the picture of a run in plain words, each with a judgement."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ['Remark', 'explain_losses', 'explain_neighbours', 'explain_reliance']


class Remark(NamedTuple):
    """Describe what a panel shows, and whether that is good.

    Args:
        text: One or two sentences.
        good: Whether a healthy run looks like this.
    """

    text: str
    good: bool

    def __str__(self) -> str:
        return f'{"good" if self.good else "NOT GOOD"}: {self.text}'


def explain_losses(losses: dict[str, np.ndarray], filling: int) -> list[Remark]:
    """Tell whether the losses fell, from the first to the last fifth of a run.

    Args:
        losses (dict[str, np.ndarray]): ``step`` and one array per loss.
        filling (int): Iterations until the queue was full; the contrastive loss counts after it.

    Returns:
        list[Remark]: One for each loss that has two values or more to compare.
    """
    names = dict(
        loss_contrast='The contrastive loss (can a view be told from other places?)',
        diffusion_relative_error='The diffusion loss (how wrong is the restored image? 1 is the '
        'best guess without a network)',
        loss_diffusion='The diffusion loss (how wrong is the restored image?)',
    )
    steps = losses['step']
    # A logged value is a mean over the steps since the one before.
    interval = int(steps[-1] - steps[-2]) if len(steps) > 1 else 1
    remarks = []
    for name, what in names.items():
        if name not in losses:
            continue
        values = losses[name]
        if name == 'loss_contrast':
            values = values[steps - interval >= filling]
        if len(values) < 2:
            continue
        part = max(1, len(values) // 5)
        first, last = float(values[:part].mean()), float(values[-part:].mean())
        fell = last < first
        verb = 'fell' if fell else 'did not fall'
        remarks.append(Remark(f'{what} {verb}: {first:.2f} to {last:.2f}.', fell))
    return remarks


def explain_neighbours(features: Tensor, origin: Sequence[int]) -> list[Remark]:
    """Tell how often the nearest neighbour of a patch is from the same place.

    Args:
        features (Tensor): P x D unit-length features of patches.
        origin (Sequence[int]): Place that each patch is from.

    Returns:
        list[Remark]: One, good where it is twice as often as by chance or more; none where no place
        has two patches.
    """
    place = torch.as_tensor(origin)
    similarity = features @ features.T
    similarity.fill_diagonal_(-torch.inf)
    hits = float((place[similarity.argmax(dim=1)] == place).float().mean())
    same = (place[:, None] == place[None]).sum(dim=1) - 1
    chance = float((same / max(1, len(place) - 1)).mean())
    if chance == 0:
        return []
    text = (
        f'In {10 * hits:.0f} of 10 queries the nearest neighbour is from the same place; by chance '
        f'it would be {10 * chance:.1f} of 10.'
    )
    return [Remark(text, hits >= 2 * chance)]


def explain_reliance(truth: Tensor, own: Tensor, other: Tensor) -> Remark:
    """Tell how much the restored image depends on the features of its own patch.

    Args:
        truth (Tensor): C x H x W uint8, the clean patch.
        own (Tensor): T x C x H x W uint8, restored from the patch's own features.
        other (Tensor): T x C x H x W uint8, restored from the features of another patch.

    Returns:
        Remark: Good where another patch's features make the error larger by a tenth or more.
    """

    def measure(restored: Tensor) -> float:
        return float((restored.float() - truth.float()).square().mean().sqrt())

    right, wrong = measure(own), measure(other)
    ratio = wrong / max(right, 1e-6)
    conclusion = 'so the encoder is needed' if ratio >= 1.1 else 'so the encoder is hardly needed'
    text = (
        f'Restored from its own features a patch is wrong by {right:.0f} grey values of 255; from '
        f'those of another patch by {wrong:.0f}, {conclusion}.'
    )
    return Remark(text, ratio >= 1.1)

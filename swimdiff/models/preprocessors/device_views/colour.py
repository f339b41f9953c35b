"""Changes of colour of a whole batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from swimdiff.datasets.transforms.colour import (
    MultiBandColorJitter,
    RandomGrey,
    grey_weights,
    hue_matrix,
)
from swimdiff.models.preprocessors.device_views.counterpart import Counterpart
from swimdiff.models.preprocessors.device_views.plan import ViewPlan
from swimdiff.models.preprocessors.device_views.stages import AffineColour
from swimdiff.registry import DEVICE_TRANSFORMS

__all__ = ['DeviceColorJitter', 'DeviceGrey']


@DEVICE_TRANSFORMS.register_module(name='MultiBandColorJitter')
class DeviceColorJitter(Counterpart):
    """Change colours like ``MultiBandColorJitter``, in one map per view.

    The same changes come in the same random order.

    Args:
        transform: The jitter of the workers.
        bands: Canonical names in the order of the channels.

    Example::

        data_preprocessor = dict(
            type='DeviceViews', transforms=[dict(type='MultiBandColorJitter', brightness=0.2)]
        )
    """

    replaces = 'MultiBandColorJitter'
    numbers = 9
    #: Column of each change in the tables.
    changes = ('brightness', 'contrast', 'saturation', 'hue')

    def __init__(self, transform: MultiBandColorJitter, bands: Sequence[str]) -> None:
        super().__init__(transform, bands)
        strength = [transform.strength[name] for name in self.changes[:3]]
        self.low = torch.tensor([*(max(0.0, 1 - s) for s in strength), -transform.hue]).double()
        self.high = torch.tensor([*(1 + s for s in strength), transform.hue]).double()
        self.weights = torch.from_numpy(grey_weights(bands))
        # Every turn of the hue is a mean plus cos times one matrix plus sin times another.
        none, quarter, half = (torch.from_numpy(hue_matrix(bands, t)) for t in (0, 0.25, 0.5))
        self.hue = (none + half) / 2, (none - half) / 2, quarter - (none + half) / 2

    def values(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is changed, by how much and in which order.

        Args:
            drawn: N x 9.

        Returns:
            N x 4 strengths, a column a change, where nothing is changed (1, 1, 1, 0); and N x 4
            numbers of the columns, first change first.
        """
        strengths = self.low + (self.high - self.low) * drawn[:, 1:5]
        nothing = torch.tensor([1.0, 1.0, 1.0, 0.0]).double()
        on = drawn[:, :1] < self.transform.prob
        return torch.where(on, strengths, nothing), drawn[:, 5:].argsort(dim=1)

    def steps(self, strengths: Tensor) -> Tensor:
        """Turn N x 4 strengths into N x 4 x C x C matrices.

        Contrast is without its constant.
        """
        brightness, contrast, saturation, turn = strengths[..., None, None].unbind(1)
        eye, grey = torch.eye(len(self.bands)).double(), self.weights.expand(len(self.bands), -1)
        centre, cosine, sine = self.hue
        angle = 2 * torch.pi * turn
        hue = centre + angle.cos() * cosine + angle.sin() * sine
        saturation_step = saturation * eye + (1 - saturation) * grey
        return torch.stack([brightness * eye, contrast * eye, saturation_step, hue], dim=1)

    def plan(self, drawn: Tensor, plan: ViewPlan) -> None:
        """Compose the four changes.

        Contrast adds ``(1 - v)`` times the grey of the mean of what it is given; that is linear in
        the mean of the view (``probe``), and later changes act on it as on any colour (``gain``).
        """
        strengths, order = self.values(drawn)
        count, bands = len(drawn), len(self.bands)
        steps = self.steps(strengths)[torch.arange(count)[:, None], order]
        constant = (1 - strengths[:, 1:2]).expand(count, bands)
        matrix = torch.eye(bands).double().expand(count, bands, bands)
        probe, gain = torch.zeros(2, count, bands).double()
        for place, step in enumerate(steps.unbind(1)):
            is_contrast = order[:, place, None] == 1
            probe = torch.where(is_contrast, self.weights @ matrix, probe)
            gain = torch.where(is_contrast, constant, (step @ gain[..., None])[..., 0])
            matrix = step @ matrix
        plan.add(AffineColour(matrix, probe, gain))


@DEVICE_TRANSFORMS.register_module(name='RandomGrey')
class DeviceGrey(Counterpart):
    """Make views grey like ``RandomGrey``, without clipping.

    So a change of colour after it joins its matrix.

    Example::

        data_preprocessor = dict(
            type='DeviceViews', transforms=[dict(type='RandomGrey', prob=0.2)]
        )
    """

    replaces = 'RandomGrey'
    numbers = 1
    transform: RandomGrey

    def chosen(self, drawn: Tensor) -> Tensor:
        """Turn N x 1 numbers into N truth values."""
        return drawn[:, 0] < self.transform.prob

    def plan(self, drawn: Tensor, plan: ViewPlan) -> None:
        """Turn the chosen views grey."""
        weights = torch.from_numpy(grey_weights(self.bands))
        grey, eye = weights.expand(len(weights), -1), torch.eye(len(weights)).double()
        plan.add(
            AffineColour(torch.where(self.chosen(drawn)[:, None, None], grey, eye), clips=False)
        )

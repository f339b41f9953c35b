"""What is to be done to each view of a batch, as small tables on the host."""

import torch
import torch.nn.functional as F
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.models.preprocessors.device_views.stages import AffineColour, Stage

__all__ = ['ViewPlan']


class ViewPlan:
    """Hold geometry and stages of N views.

    All geometry is one affine map from the pixels of a view to those of its source, so an image is
    sampled once. Flips and turns about the centre commute with what may be between the crop and
    them (colours of single pixels, and a blur that is alike in rows and columns), so they join the
    map wherever they are in the list.

    Args:
        count: N.
        size: Height and width of the source images in pixels.
    """

    def __init__(self, count: int, size: tuple[int, int]) -> None:
        self.size = size
        #: N x 2 x 3: (column, row, 1) of a pixel of the view -> column and row in the source.
        self.affine = torch.eye(2, 3, dtype=torch.float64).repeat(count, 1, 1)
        last = torch.tensor([size[1] - 1, size[0] - 1], dtype=torch.float64)
        #: N x 2 each: first and last column and row of the source that a view may see.
        self.low, self.high = torch.zeros(count, 2, dtype=torch.float64), last.repeat(count, 1)
        self.stages: list[Stage] = []
        self._cropped = False

    def __len__(self) -> int:
        return len(self.affine)

    def move(self, step: Tensor) -> None:
        """Append a change of geometry.

        Args:
            step: N x 2 x 3, pixel after the change -> pixel before it.
        """
        linear, shift = self.affine[:, :, :2], self.affine[:, :, 2:]
        self.affine = linear @ step.double() + F.pad(shift, (2, 0))

    def crop(self, window: Tensor, size: tuple[int, int]) -> None:
        """Append a crop that is resized.

        Args:
            window: N x 4: first row, first column, height and width in pixels.
            size: Height and width after it.

        Raises:
            ConfigError: A second one, or one after a blur or a change of colour.
        """
        if self._cropped or self.stages:
            raise ConfigError(
                'DeviceViews: a crop must come before every blur and change of colour, and only '
                'once, since a view is sampled once. Put it first in the list of transforms.'
            )
        self._cropped = True
        start, extent = window[:, [1, 0]].double(), window[:, [3, 2]].double()
        # The corners of the window in the source; a flip before the crop swaps them.
        corners = self._source(start), self._source(start + extent - 1)
        self.low, self.high = torch.minimum(*corners), torch.maximum(*corners)
        scale = extent / torch.tensor([size[1], size[0]])
        # The centre of pixel j lies at j + 1/2, as OpenCV has it.
        shift = start + 0.5 * scale - 0.5
        self.move(torch.cat([torch.diag_embed(scale), shift[..., None]], dim=2))
        self.size = size

    def _source(self, points: Tensor) -> Tensor:
        """N x 2 pixels of the views as they are now, in the source."""
        return (self.affine[:, :, :2] @ points[..., None] + self.affine[:, :, 2:])[..., 0]

    def add(self, stage: Stage) -> None:
        """Append a stage; a change of colour joins one before it that cannot clip."""
        if self.stages and isinstance(stage, AffineColour):
            last = self.stages[-1]
            if isinstance(last, AffineColour) and not last.clips:
                self.stages[-1] = stage.after(last)
                return
        self.stages.append(stage)

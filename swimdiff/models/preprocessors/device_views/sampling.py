"""Reading the pixels of all views of a batch from their sources."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from swimdiff.models.preprocessors.device_views.plan import ViewPlan
from swimdiff.models.preprocessors.device_views.stages import upload

__all__ = ['Sampling']


@dataclass
class Sampling:
    """Hold the geometry of a plan, on the device.

    Bilinear between the centres of four pixels, at the crop's border the crop's last pixel, and no
    filter before scaling down: what ``cv2.INTER_LINEAR`` makes of the crop.

    Args:
        affine: N x 2 x 3: pixel of the view -> column and row in the source, both scaled to -1..1
            from edge to edge, as ``grid_sample`` takes them.
        low: N x 1 x 1 x 2: least column and row, scaled likewise.
        high: N x 1 x 1 x 2: greatest ones.
        size: Height and width of the views.
    """

    affine: Tensor
    low: Tensor
    high: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, plan: ViewPlan, source: tuple[int, int], device: torch.device) -> 'Sampling':
        """Scale the tables of a plan to a source of a height and width, and upload them.

        Args:
            plan: The plan of the views.
            source: Height and width of the sources.
            device: Where to compute.
        """
        edges = torch.tensor([source[1], source[0]], dtype=torch.float64)
        affine = 2 * plan.affine / edges[:, None]
        affine[:, :, 2] += 1 / edges - 1
        low, high = ((2 * border + 1) / edges - 1 for border in (plan.low, plan.high))
        tables = [upload(table, device) for table in (affine, low, high)]
        return cls(tables[0], tables[1][:, None, None], tables[2][:, None, None], plan.size)

    def __call__(self, images: Tensor, rows: slice) -> Tensor:
        """M x C x H x W float32 sources, the rows ``rows`` of the batch -> views."""
        height, width = self.size
        across = torch.arange(width, device=images.device, dtype=torch.float32)[:, None]
        down = torch.arange(height, device=images.device, dtype=torch.float32)[:, None, None]
        # Written out: as a matrix product it would be rounded to TF32 where that is switched on.
        column, row, shift = (part[:, None, None] for part in self.affine[rows].unbind(2))
        grid = (column * across + shift) + row * down  # M x h x w x 2
        grid.clamp_(self.low[rows], self.high[rows])
        return F.grid_sample(images, grid, padding_mode='border', align_corners=False)

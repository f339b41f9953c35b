"""Random resized crop of a whole batch."""

import math
from collections.abc import Sequence

import torch
from mmpretrain.datasets.transforms import RandomResizedCrop
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.models.preprocessors.device_views.counterpart import Counterpart
from swimdiff.models.preprocessors.device_views.plan import ViewPlan
from swimdiff.registry import DEVICE_TRANSFORMS

__all__ = ['DeviceRandomResizedCrop']


@DEVICE_TRANSFORMS.register_module(name='RandomResizedCrop')
class DeviceRandomResizedCrop(Counterpart):
    """Crop the same windows as ``mmpretrain.RandomResizedCrop``.

    They are resized like OpenCV's bilinear.

    All attempts of a view are drawn at once and the first that fits is taken.

    Args:
        transform: The crop of the workers.
        bands: Unused.

    Raises:
        ConfigError: Another interpolation than OpenCV's bilinear.

    Example::

        data_preprocessor = dict(
            type='DeviceViews',
            transforms=[dict(type='mmpretrain.RandomResizedCrop', scale=224)],
        )
    """

    replaces = 'mmpretrain.RandomResizedCrop'

    def __init__(self, transform: RandomResizedCrop, bands: Sequence[str]) -> None:
        super().__init__(transform, bands)
        how = (transform.interpolation, transform.backend)
        if how != ('bilinear', 'cv2'):
            raise ConfigError(
                "DeviceViews: RandomResizedCrop resizes with interpolation='bilinear' and "
                f"backend='cv2'; found {how[0]!r} and {how[1]!r}. Leave these options out, or let "
                'the workers make the views.'
            )
        self.numbers = 2 * transform.max_attempts + 2

    def windows(self, drawn: Tensor, height: int, width: int) -> Tensor:
        """Return the windows in sources of a height and width.

        Args:
            drawn: N x ``numbers``.
            height: Of the sources, in pixels.
            width: Likewise.

        Returns:
            N x 4 int64: first row, first column, height, width.
        """
        crop, tries = self.transform, self.transform.max_attempts
        small, large = crop.crop_ratio_range
        area = (small + (large - small) * drawn[:, :tries]) * height * width
        narrow, wide = (math.log(ratio) for ratio in crop.aspect_ratio_range)
        aspect = (narrow + (wide - narrow) * drawn[:, tries : 2 * tries]).exp()
        sizes = torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()], 2).round().long()
        # The last resort stands behind the attempts; it always fits.
        whole = sizes.new_tensor(self._whole(height, width)).expand(len(sizes), 1, 2)
        sizes = torch.cat([sizes, whole], dim=1)
        fits = ((sizes > 0) & (sizes <= sizes.new_tensor([height, width]))).all(2)
        first = fits.int().argmax(1)
        size = sizes.gather(1, first[:, None, None].expand(-1, 1, 2))[:, 0]
        free = sizes.new_tensor([height, width]) - size
        start = (drawn[:, 2 * tries :] * (free + 1)).long()
        start = torch.where(first[:, None] < tries, start, free // 2)
        return torch.cat([start, size], dim=1)

    def _whole(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the central crop taken when no attempt fits."""
        narrow, wide = self.transform.aspect_ratio_range
        if width / height < narrow:
            return round(width / narrow), width
        if width / height > wide:
            return height, round(height * wide)
        return height, width

    def plan(self, drawn: Tensor, plan: ViewPlan) -> None:
        """Crop and resize."""
        height, width = self.transform.scale
        plan.crop(self.windows(drawn, *plan.size), (height, width))

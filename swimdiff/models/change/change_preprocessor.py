"""Standardising two dates of any bands; mmsegmentation's own preprocessor refuses six means."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swimdiff.errors import BandError, ConfigError
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.registry import MODELS

__all__ = ['ChangePreprocessor']


@MODELS.register_module()
class ChangePreprocessor(MultiBandPreprocessor):
    """Standardise both dates with the statistics of one, by band name.

    The statistics must give the backbone the distribution it was pre-trained on; what they are for
    each data set is in :mod:`swimdiff.bands`.

    Args: as those of ``MultiBandPreprocessor``; ``bands`` are the bands of *one* date.

    Example::

        data_preprocessor = dict(
            type='ChangePreprocessor', bands=('B04', 'B03', 'B02'), stats='oscd'
        )
    """

    def standardise(self, images: Tensor) -> Tensor:
        """Standardise pairs, 0..255, to float32 on the device.

        The shape is N x 2C x H x W or 2C x H x W.

        Raises:
            BandError: If the channels are not those of two dates.
        """
        if images.shape[-3] != 2 * len(self.bands):
            raise BandError(
                f'Images have {images.shape[-3]} channels ({tuple(images.shape)}); the '
                f'preprocessor expects two dates of {len(self.bands)} ({", ".join(self.bands)}). '
                'Give the data set and the preprocessor the same bands.'
            )
        dates = images.chunk(2, dim=-3)
        return torch.cat([super(ChangePreprocessor, self).standardise(d) for d in dates], dim=-3)

    def destandardise(self, images: Tensor) -> Tensor:
        """Turn standardised pairs back into uint8, for pictures."""
        dates = images.chunk(2, dim=-3)
        return torch.cat([super(ChangePreprocessor, self).destandardise(d) for d in dates], dim=-3)

    def _inputs(self, inputs: Tensor | Sequence[Tensor]) -> Any:
        if not isinstance(inputs, Tensor):
            sizes = sorted({tuple(image.shape[-2:]) for image in inputs})
            if len(sizes) > 1:
                raise ConfigError(
                    f'Images of different sizes in one batch: {sizes}. Cut tiles of one size '
                    '(tile=256 in the data set), crop in the pipeline, or set batch_size=1.'
                )
        return super()._inputs(inputs)

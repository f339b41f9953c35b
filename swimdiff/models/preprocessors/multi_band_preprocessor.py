"""Standardising images of any bands on the device, with statistics by band name."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor

from swimdiff.bands import ProductStats, canonical_bands, get_stats, spell_band
from swimdiff.errors import BandError, ConfigError
from swimdiff.registry import MODELS

__all__ = ['MultiBandPreprocessor']


@MODELS.register_module()
class MultiBandPreprocessor(BaseDataPreprocessor):
    """Standardise uint8 images to float32, on the device.

    Mean and standard deviation are buffers that are *not* saved in checkpoints: they follow from
    the config, and a checkpoint loads into a model with another preprocessor without complaint.

    Args:
        bands: Bands by name, in the order of the channels.
        stats: The statistics, by name or as :func:`swimdiff.bands.get_stats` takes them.
        mean: Mean by band name on the 0..255 scale, instead of that of ``stats``.
        std: Standard deviation by band name, likewise.
        non_blocking: Copy to the device without waiting, which is safe in this direction.

    Raises:
        BandError: A band without statistics.
        ConfigError: Only one of mean and std given.

    Example::

        data_preprocessor = dict(
            type='MultiBandPreprocessor', bands=('B04', 'B03', 'B02', 'B08'), stats='s2_l1c'
        )
    """

    def __init__(
        self,
        bands: Sequence[str],
        stats: str | Mapping[str, Any] | ProductStats = 'seco',
        mean: Mapping[str, float] | None = None,
        std: Mapping[str, float] | None = None,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        if (mean is None) != (std is None):
            raise ConfigError('Give both mean and std by band name, or neither.')
        #: Where mean and std come from; None where they were given.
        self.stats: ProductStats | None
        if mean is not None and std is not None:
            self.bands = canonical_bands(bands, mean)
            centre, spread = self._select(mean, 'mean'), self._select(std, 'std')
            self.stats = None
        else:
            self.stats = table = get_stats(stats)
            self.bands = canonical_bands(bands, table.low)
            centre, spread = table.select('mean', self.bands), table.select('std', self.bands)
        if min(spread) <= 0:
            raise ConfigError(f'Standard deviations must be above 0; found {spread}.')
        for name, values in (('mean', centre), ('std', spread)):
            column = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, column, persistent=False)
        self.mean: torch.Tensor
        self.std: torch.Tensor

    def _select(self, table: Mapping[str, float], what: str) -> tuple[float, ...]:
        values = {spell_band(name): float(value) for name, value in table.items()}
        missing_bands = [band for band in self.bands if band not in values]
        if missing_bands:
            raise BandError(
                f'No {what} given for {", ".join(missing_bands)}; found {", ".join(values)}.'
            )
        return tuple(values[band] for band in self.bands)

    def receive(self, images: torch.Tensor) -> torch.Tensor:
        """Bring images of any type to the device, N x C x H x W or C x H x W.

        Raises:
            BandError: Another number of channels than bands.
        """
        if images.shape[-3] != len(self.bands):
            raise BandError(
                f'Images have {images.shape[-3]} channels ({tuple(images.shape)}); the '
                f'preprocessor expects {len(self.bands)}: {", ".join(self.bands)}. Give the data '
                'set and the preprocessor the same bands.'
            )
        # Moved as uint8: a quarter of the bytes.
        return images.to(self.mean.device, non_blocking=bool(self._non_blocking))

    def standardise(self, images: torch.Tensor) -> torch.Tensor:
        """Standardise images of any type, 0..255, to float32 on the device.

        The shape is N x C x H x W or C x H x W.

        Raises:
            BandError: Another number of channels than bands.
        """
        return (self.receive(images).float() - self.mean) / self.std

    def destandardise(self, images: torch.Tensor) -> torch.Tensor:
        """Turn standardised images back into uint8, for pictures."""
        restored_pixels = images.detach().float() * self.std + self.mean
        return restored_pixels.round().clamp(0, 255).to(torch.uint8)

    def _inputs(self, inputs: Any) -> Any:
        if isinstance(inputs, torch.Tensor):
            return self.standardise(inputs)
        if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].ndim == 3:
            return self.standardise(torch.stack(list(inputs)))
        return [self._inputs(view) for view in inputs]

    @torch.compiler.disable  # metadata of samples is for the host; the images take one pass
    def forward(self, data: dict, training: bool = False) -> dict:
        """Standardise a batch.

        Args:
            data: ``inputs``: one N x C x H x W tensor, a list of N tensors C x H x W, or a list of
                either, one per view. ``data_samples``: anything, moved to the device.
            training: Unused; the engine passes it.

        Returns:
            ``inputs`` with the views kept apart, and ``data_samples`` (None if absent).
        """
        return dict(
            inputs=self._inputs(data['inputs']),
            data_samples=self.cast_data(data.get('data_samples')),
        )

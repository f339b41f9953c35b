"""The first layers of an exported graph: from the pixels of a file to the input of a network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swimdiff.bands import ProductStats
from swimdiff.errors import ConfigError

__all__ = ['PixelInput']


class PixelInput(nn.Module):
    """Standardise pixels that viewers of images divided by 255.

    Args:
        mean: Mean by band on the 0..255 scale.
        std: Standard deviation by band on the 0..255 scale.
        stretch: Statistics whose stretch is done here too: the pixels are then those of the
            product as it is stored (for example reflectance times 10,000), divided by 255 all the
            same. None for pixels that are stretched to 0..255 already.
        bands: Bands in the order of the channels, for ``stretch``.

    Raises:
        ConfigError: ``stretch`` without bands.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        stretch: ProductStats | None = None,
        bands: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.stretches = stretch is not None
        if stretch is not None and not bands:
            raise ConfigError('PixelInput: stretch needs the names of the bands.')
        columns = dict(mean=mean, std=std)
        if stretch is not None:
            columns.update(low=stretch.select('low', bands), high=stretch.select('high', bands))
        for name, values in columns.items():
            dtype = torch.float64 if name in ('low', 'high') else torch.float32
            column = torch.tensor([float(value) for value in values], dtype=dtype)
            self.register_buffer(name, column.view(1, -1, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor
        self.low: Tensor
        self.high: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn pixels into the input of a network.

        Args:
            pixels: N x C x H x W float32, the numbers of the file divided by 255. C is a multiple
                of the bands: two dates lie one after the other.

        Returns:
            N x C x H x W float32, standardised.
        """
        # Whole numbers are found again exactly: they were divided in single precision.
        numbers = (pixels * 255).round()
        bands = self.mean.shape[1]
        dates = numbers.split(bands, dim=1) if numbers.shape[1] != bands else (numbers,)
        return torch.cat([self._standardise(date) for date in dates], dim=1)

    def _standardise(self, numbers: Tensor) -> Tensor:
        if self.stretches:
            # In double precision and without fractions, as the data sets do.
            share = (numbers.double() - self.low) / (self.high - self.low)
            numbers = (share.clamp(0, 1) * 255).floor().float()
        return (numbers - self.mean) / self.std

"""From images of named bands and known unit to the input of one of our backbones."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from swimdiff.bands import ProductStats, canonical
from swimdiff.bands.units import UNITS
from swimdiff.errors import BandError, ConfigError
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor

__all__ = ['STRETCHED', 'CheckpointInputs', 'check_unit', 'locate_bands', 'name_band']

#: Unit of pictures: stretched to 0..255 already, as the images of pre-training are.
STRETCHED = '0..255'

#: Mean reflectance that the brightest band of a data set can have. Water is at the lower end. The
#: units are a factor of 39 or more apart, so a wrong one falls out.
_MEAN_REFLECTANCE = (0.01, 1.0)


def name_band(name: str, others: Collection[str] = ()) -> str | None:
    """Return the canonical name of a band, or None for one that is not known.

    Args:
        name: Any usual spelling of a Sentinel-2 band, or one of ``others``.
        others: Names that are known too: bands that the backbone takes.
    """
    try:
        return canonical(name, others)
    except BandError:
        return None


def locate_bands(wanted: Sequence[str], channels: Sequence[str | None], where: str) -> list[int]:
    """Find the channel of each band by name.

    Args:
        wanted: Canonical names, in the order that the backbone takes.
        channels: Canonical name of each channel of the images; None for one that is not known.
        where: What the channels belong to, for the message.

    Returns:
        The index of the channel of each wanted band.

    Raises:
        BandError: A wanted band is missing, or two channels have its name.
    """
    missing_bands = [band for band in wanted if channels.count(band) == 0]
    twice = [band for band in wanted if channels.count(band) > 1]
    if missing_bands or twice:
        problem = (
            f'lack {", ".join(missing_bands)}'
            if missing_bands
            else f'name {", ".join(twice)} twice'
        )
        known_names = ', '.join(band for band in channels if band) or 'none that are known'
        raise BandError(
            f'The checkpoint takes {", ".join(wanted)}; the bands of {where} {problem}. Found '
            f'{known_names}. Let the benchmark give all bands of the data set, or take a '
            'checkpoint that was trained on bands that it has. A missing band is never filled '
            'with zeros.'
        )
    return [channels.index(band) for band in wanted]


def check_unit(means: Sequence[float], unit: str | None, where: str) -> str:
    """Refuse a unit that is not known, or that the means of the bands contradict.

    Args:
        means: Mean of each band in the unit; none if they are not known.
        unit: One of :data:`swimdiff.bands.units.UNITS`, or :data:`STRETCHED`.
        where: Option and data set, for the message.

    Returns:
        The unit.

    Raises:
        ConfigError: See above.
    """
    if unit not in (*UNITS, STRETCHED):
        raise ConfigError(
            f'{where}: the unit of the pixels is {unit!r}. Expected one of '
            f'{", ".join(map(repr, UNITS))} for images of a satellite, or {STRETCHED!r} for '
            'pictures that need no stretch. Look it up in the description of the data set: '
            'features of wrongly scaled images look like those of a bad model.'
        )
    low, high = _MEAN_REFLECTANCE
    if unit == STRETCHED or not means or low <= max(means) / UNITS[unit] <= high:
        return unit
    fits = [name for name, scale in UNITS.items() if low <= max(means) / scale <= high]
    advice = f'These would fit: {", ".join(map(repr, fits))}.' if fits else 'No unit fits.'
    raise ConfigError(
        f'{where}: the unit is given as {unit!r}, but the brightest band has the mean '
        f'{max(means):g}, a reflectance of {max(means) / UNITS[unit]:.3g}. Expected {low:g} to '
        f'{high:g}. {advice} Correct the unit.'
    )


class CheckpointInputs(nn.Module):
    """Choose bands, stretch and standardise as for a checkpoint's pre-training.

    The stretch cuts off what is outside and drops fractions, as the data sets do that read images
    for pre-training: the same pixels give the same input.

    Args:
        bands: Bands that the backbone takes, in order.
        stats: Stretch and standardisation.
        channels: Canonical name of each channel of the images; None for one that is not known.
        unit: Unit of the pixels, see :func:`check_unit`; None where :meth:`forward` is not used,
            because the images are standardised already.
        where: Data set, for messages.

    Raises:
        BandError: A band is missing.
        ConfigError: The unit of the images cannot be brought to that of the statistics.
    """

    def __init__(
        self,
        bands: Sequence[str],
        stats: ProductStats,
        channels: Sequence[str | None],
        unit: str | None,
        where: str,
    ) -> None:
        super().__init__()
        self.num_channels = len(channels)
        self.where = where
        mean, std = (
            dict(zip(bands, stats.select(table, bands), strict=True)) for table in ('mean', 'std')
        )
        self.preprocessor = MultiBandPreprocessor(bands, mean=mean, std=std)
        self.unit, self.stats_unit = unit, stats.unit
        if unit in UNITS and unit != stats.unit and stats.unit not in UNITS:
            raise ConfigError(
                f'{where}: images in {unit!r} cannot be stretched with the statistics '
                f'{stats.name!r}, which are of pixels in {stats.unit!r}. Expected statistics in '
                f'one of {", ".join(map(repr, UNITS))}; give others with stats=...'
            )
        columns: Mapping[str, Sequence[float]] = dict(
            low=stats.select('low', bands), high=stats.select('high', bands)
        )
        for name, values in columns.items():
            column = torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)
            self.register_buffer(name, column, persistent=False)
        index = torch.tensor(locate_bands(bands, channels, where))
        self.register_buffer('index', index, persistent=False)
        self.low: Tensor
        self.high: Tensor
        self.index: Tensor

    def select(self, images: Tensor) -> Tensor:
        """Take the channels of the bands that the backbone takes, in its order.

        Args:
            images: N x C x H x W, a channel for each of ``channels``.

        Raises:
            BandError: Another number of channels.
        """
        if images.shape[1] != self.num_channels:
            raise BandError(
                f'{self.where}: images have {images.shape[1]} channels {tuple(images.shape)}. '
                f'Expected {self.num_channels}, one for each band that was named.'
            )
        return images.index_select(1, self.index)

    def stretch(self, images: Tensor) -> Tensor:
        """Stretch selected channels to whole numbers of 0..255, as float32."""
        if self.unit is None:
            raise ConfigError(f'{self.where}: the unit of the images is not known.')
        if self.unit == STRETCHED:
            return images.float()
        # In double precision as our readers do: in single, some pixels come out a step higher.
        values = images.double()
        if self.unit != self.stats_unit:
            values = values * UNITS[self.stats_unit] / UNITS[self.unit]
        if self.stats_unit == 'reflectance x 255':
            values = values.floor().clamp(max=255)  # such files hold uint8
        pixels = ((values - self.low) / (self.high - self.low)).clamp(0, 1) * 255
        return pixels.floor().nan_to_num(0).float()  # no-data that is NaN becomes 0 as there

    def forward(self, images: Tensor) -> Tensor:
        """Turn images into the input of the backbone.

        Args:
            images: N x C x H x W in the unit given, a channel for each of ``channels``.

        Returns:
            N x B x H x W float32, standardised, B the bands of the backbone.
        """
        return self.preprocessor.standardise(self.stretch(self.select(images)))

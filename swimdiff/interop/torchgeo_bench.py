"""Our backbones as a model of ``torchgeo-bench`` (0.4, Python 3.12 or newer).

The interface is ``torchgeo_bench.models.interface.BenchModel``: one model is built for each data
set, with its bands and their statistics, and turns raw pixels into one vector per image.
The command is in ``docs/how-to/yardsticks.md``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor
from torchgeo_bench.datasets.base import BandSpec
from torchgeo_bench.models import BenchModel

from swimdiff.bands.units import UNITS
from swimdiff.errors import BandError, ConfigError
from swimdiff.interop.inputs import CheckpointInputs, check_unit, name_band
from swimdiff.interop.opening import open_checkpoint

__all__ = ['SwiMDiffBench']

#: Names that the benchmark has for bands of Sentinel-2 where it does not number them.
_NAMES = {
    'coastal_aerosol': 'B01',
    'blue': 'B02',
    'green': 'B03',
    'red': 'B04',
    'red_edge_1': 'B05',
    'red_edge_2': 'B06',
    'red_edge_3': 'B07',
    'nir': 'B08',
    'red_edge_4': 'B8A',
    'nir_narrow': 'B8A',
    'water_vapour': 'B09',
    'swir_cirrus': 'B10',
    'swir_1': 'B11',
    'swir_2': 'B12',
}

#: Bands behind B08: where a list of names and the channels of a file come apart, it is here.
_LATE = ('B8A', 'B09', 'B10', 'B11', 'B12')

#: Mean reflectance of the cirrus band, which sees next to nothing of the ground, is below this.
_CIRRUS = 0.03

#: The bands that the shifted names of m-eurosat stand for, an example in the message.
_EUROSAT = 'red_edge_4: B09, water_vapour: B10, swir_cirrus: B11, swir_1: B12, swir_2: B8A'


def _name_channels(
    bands: Sequence[BandSpec],
    sensor: str,
    names: Mapping[str, str] | None,
    wanted: Sequence[str],
) -> list[str | None]:
    """Return the canonical name of each channel; None for those of other sensors.

    Names of ``wanted``, the bands of the checkpoint, are known beside Sentinel-2's.
    """
    names = {**_NAMES, **(names or {})}
    return [
        name_band(names.get(band.name, band.name), wanted) if band.sensor == sensor else None
        for band in bands
    ]


def _find_unit(bands: Sequence[BandSpec], option: str | None, sensor: str) -> str:
    """Return the unit of the bands: the one given, or by the benchmark's own rule of maxima."""
    brightest = max(band.max for band in bands)
    unit = option
    # Between 10 and 1,000 are pixels of 8 bits, which say nothing of reflectance.
    if unit is None and sensor == 's2' and brightest > 1000:
        unit = 'reflectance x 10000'
    elif unit is None and sensor == 's2' and brightest <= 10:
        unit = 'reflectance'
    where = f'model.input_unit (sensor {sensor!r}, bands up to {brightest:g})'
    return check_unit([band.mean for band in bands], unit, where)


def _check_names(
    bands: Sequence[BandSpec], channels: Sequence[str | None], wanted: Sequence[str]
) -> None:
    """Refuse late bands whose names contradict their values.

    Args:
        bands: The bands of the data set.
        channels: Their canonical names.
        wanted: Bands of the checkpoint.

    Raises:
        BandError: The cirrus band is bright, or a band of reflectance x 10,000 ends at 255.
    """
    late = {name: band for name, band in zip(channels, bands, strict=True) if name in _LATE}
    whole = max(band.max for name, band in zip(channels, bands, strict=True) if name) > 1000
    if not whole or not set(wanted) & set(late):
        return
    doubtful = [
        f'{name} ({band.name}, mean {band.mean:g}, at most {band.max:g})'
        for name, band in late.items()
        if (band.mean > _CIRRUS * UNITS['reflectance x 10000'] if name == 'B10' else band.max < 256)
    ]
    if doubtful:
        raise BandError(
            f'The names of the bands do not fit their values: {"; ".join(doubtful)}. Expected a '
            'cirrus band B10 that is nearly black, and 16-bit values elsewhere. The names of this '
            'data set are shifted behind B08. Say what its channels are, for example '
            f'model.band_names={{{_EUROSAT}}} for m-eurosat, or take a checkpoint that needs none '
            f'of {", ".join(_LATE)}.'
        )


class SwiMDiffBench(BenchModel):
    """Give the mean of the last feature map of one of our checkpoints.

    Args:
        bands: Bands of the data set with their statistics; the benchmark gives them.
        checkpoint: Checkpoint of pre-training, or a published backbone.
        normalization: The benchmark's ``dataset.normalization``. ``model_native``: stretched and
            standardised with the checkpoint's statistics. ``bandspec_zscore``: standardised with
            the mean and deviation of the benchmark's data set, and no stretch.
        stats: Statistics instead of those of the checkpoint, e.g. ``oscd`` for level 1C.
        input_unit: Unit of the pixels, see :func:`swimdiff.interop.inputs.check_unit`; by default
            derived from the maxima of the bands, for Sentinel-2 only.
        sensor: Sensor whose bands are taken; those of others are left aside.
        band_names: Canonical name by the benchmark's, where its name is not what the channel is.
        backbone: Config of the backbone, where the checkpoint does not say.
        checkpoint_bands: Bands of the checkpoint in order, where it does not say.
        prefix: Part of the checkpoint to take.

    Raises:
        BandError: A band of the checkpoint is missing, or names contradict values.
        CheckpointError: The checkpoint cannot be read or does not fit.
        ConfigError: The unit is unknown, or another normalization is asked for.

    Examples:
        As YAML, a file of the benchmark's config group ``model``::

            _target_: swimdiff.interop.torchgeo_bench.SwiMDiffBench
            name: swimdiff
            checkpoint: work_dirs/RUN/epoch_200.pth
    """

    def __init__(
        self,
        bands: list[BandSpec],
        *,
        checkpoint: str,
        normalization: str = 'model_native',
        stats: str | None = None,
        input_unit: str | None = None,
        sensor: str = 's2',
        band_names: Mapping[str, str] | None = None,
        backbone: Mapping[str, Any] | None = None,
        checkpoint_bands: Sequence[str] | None = None,
        prefix: str = 'backbone.',
        **_: object,
    ) -> None:
        if str(normalization) not in ('model_native', 'bandspec_zscore'):
            raise ConfigError(
                f'dataset.normalization={normalization}: the backbone was trained on standardised '
                'images. Expected model_native (the statistics of the checkpoint) or '
                'bandspec_zscore (those of the data set).'
            )
        # The base class builds its own normaliser, which model_native does not use.
        super().__init__(bands=bands, normalization='bandspec_zscore')
        self.native = str(normalization) == 'model_native'
        source = open_checkpoint(checkpoint, backbone, checkpoint_bands, stats, prefix)
        channels = _name_channels(bands, sensor, band_names, source.bands)
        unit = None
        own = [band for band, name in zip(bands, channels, strict=True) if name]
        if own:
            _check_names(bands, channels, source.bands)
            unit = _find_unit(own, input_unit, sensor) if self.native else None
        where = f'the data set (sensor {sensor!r} of {", ".join(band.name for band in bands)})'
        self.inputs = CheckpointInputs(source.bands, source.stats, channels, unit, where)
        self.backbone = source.build()
        print_log(source.load(self.backbone), logger='current')
        self.backbone.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> 'SwiMDiffBench':
        """Switch the mode; the backbone is frozen and its batch-norm statistics stay."""
        super().train(mode)
        self.backbone.eval()
        return self

    def normalize_inputs(self, images: Tensor) -> Tensor:
        """Choose the bands by name and standardise them, once.

        Args:
            images: B x C x H x W float32 as the data set has them, a channel for each band.

        Returns:
            B x C' x H x W, C' the bands of the checkpoint.
        """
        if self.native:
            return self.inputs(images)
        return self.inputs.select(super().normalize_inputs(images))

    @torch.no_grad()
    def _forward_patch_features(self, images: Tensor) -> Tensor:
        """Return the mean of the last feature map.

        Args:
            images: B x C' x H x W from :meth:`normalize_inputs`.

        Returns:
            B x K float32.
        """
        maps = self.backbone(images)
        last = maps if isinstance(maps, Tensor) else maps[-1]
        return last.float().mean(dim=(2, 3)) if last.ndim == 4 else last.float()

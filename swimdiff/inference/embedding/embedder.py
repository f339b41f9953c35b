"""A backbone of this project that turns images into vectors, with all that its file says."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from swimdiff.bands import ProductStats, stats_to_mapping
from swimdiff.bands.units import UNITS
from swimdiff.datasets.index import check_pixels, stretch_table
from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import NetworkFeatures, check_pool, choose_stage
from swimdiff.interop.inputs import STRETCHED, CheckpointInputs, name_band
from swimdiff.interop.opening import OpenedCheckpoint, open_checkpoint
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.weights.input_statistics import UNSTRETCHED

__all__ = ['Embedder']


class Embedder:
    """Turn images into pooled features by the backbone of a checkpoint.

    It is in evaluation mode.

    Args:
        path: A pre-training checkpoint (``epoch_N.pth``) or a published backbone (``.pth``,
            ``.safetensors``); bands and statistics are those of the file.
        device: Where to compute, such as ``cpu`` or ``cuda``.
        batch_size: Images at a time.
        stage: Stage that gives the features, counted as ``out_indices`` of the backbone does
            (ResNet: 0 to 3). None takes the last one.
        pool: How its feature map becomes a vector: ``mean`` over the positions, or ``mean-std``,
            mean and deviation.
        **given: Options of :func:`swimdiff.interop.opening.open_checkpoint`, for what the file does
            not say: ``backbone``, ``bands``, ``stats``, ``prefix``.

    Attributes:
        path: The file.
        bands: Bands that the backbone takes, canonical names in order.
        stats: Stretch, mean and deviation of the images by band.

    Raises:
        CheckpointError: The file cannot be read, or does not say what nobody gave.
        BandError: A band or statistics that are not known.
        ConfigError: A device that is not there.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = 'cpu',
        batch_size: int = 64,
        *,
        stage: int | None = None,
        pool: str = 'mean',
        **given: Any,
    ) -> None:
        self.path, self.stage, self.pool = str(path), stage, check_pool(pool)
        source = open_checkpoint(str(path), **given)
        source = replace(source, config=choose_stage(source.config, stage))
        self.bands, self.batch_size = source.bands, batch_size
        self.stats: ProductStats = source.stats
        backbone = self._build(source)
        self.note = source.load(backbone)
        mean, std = (
            dict(zip(self.bands, self.stats.select(table, self.bands), strict=True))
            for table in ('mean', 'std')
        )
        preprocessor = MultiBandPreprocessor(self.bands, mean=mean, std=std)
        try:
            self.device = torch.device(device)
            self.network = NetworkFeatures(backbone, preprocessor, str(device), pool)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f'device={device!r} cannot be used: {error}. Expected cpu, or cuda where '
                'torch.cuda.is_available().'
            ) from error

    def _build(self, opened: OpenedCheckpoint) -> nn.Module:
        try:
            with DefaultScope.overwrite_default_scope('swimdiff'):
                return opened.build()
        except (AssertionError, IndexError, TypeError, ValueError) as error:
            if self.stage is None:
                raise
            raise ConfigError(
                f'stage={self.stage}: the backbone of {self.path}, {opened.config.get("type")}, '
                f'has no such stage ({error}). Expected one that its out_indices can name; a '
                'ResNet has 0 to 3.'
            ) from error

    @property
    def key(self) -> str:
        """Hash all that decides the vector of an image: weights, statistics, stage."""
        parts: list[Any] = [self.network.key, stats_to_mapping(self.stats, self.bands)]
        if self.stage is not None:  # keys of earlier tables stay
            parts.append(self.stage)
        content = json.dumps(parts)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def choose_unit(self, unit: str | None) -> str:
        """Return the unit of pixels: that of the statistics where none is given.

        Args:
            unit: One of :data:`swimdiff.bands.units.UNITS`; ``0..255`` for pictures that need no
                stretch; None.

        Raises:
            ConfigError: A unit that is not known, or cannot be converted.
        """
        own = self.stats.unit
        if unit is None:
            return STRETCHED if own == UNSTRETCHED else own
        known_units = {name.replace(' ', ''): name for name in (*UNITS, STRETCHED, own)}
        canonical_unit = known_units.get(unit.replace(' ', ''))
        if canonical_unit is None or (
            canonical_unit in UNITS and own not in UNITS and canonical_unit != own
        ):
            choices = (*UNITS, STRETCHED) if own in UNITS else (own, STRETCHED)
            raise ConfigError(
                f'unit={unit!r}: expected one of {", ".join(map(repr, choices))}; the statistics '
                f'of {self.path} are of pixels in {own!r}.'
            )
        return canonical_unit

    def stretch_tables(self, unit: str, dtype: str) -> np.ndarray | None:
        """Return the look-up tables that bring pixels to 0..255, as in pre-training.

        Args:
            unit: As :meth:`choose_unit` returns it.
            dtype: Type of the pixels once they are in the unit of the statistics.

        Returns:
            See :func:`swimdiff.datasets.index.planes.stretch_table`; None for pixels that need no
            stretch.
        """
        if unit == STRETCHED:
            return None
        low, high = (self.stats.select(table, self.bands) for table in ('low', 'high'))
        return stretch_table(low, high, dtype)

    def embed_stretched(self, images: np.ndarray | Tensor) -> np.ndarray:
        """Embed images that are stretched already, as the data sets hand them over.

        Args:
            images: N x C x H x W, 0..255, in the bands of the backbone.

        Returns:
            N x D float32.

        Raises:
            ConfigError: Images too small for the backbone.
        """
        tensor = torch.as_tensor(images)
        vectors = [self._run(batch) for batch in tensor.split(self.batch_size)]
        return torch.cat(vectors).numpy()

    def _run(self, batch: Tensor) -> Tensor:
        try:
            return self.network(batch).cpu()
        except (RuntimeError, AssertionError, ValueError) as error:
            if 'out of memory' in str(error):
                raise ConfigError(
                    f'{len(batch)} images at a time do not fit the memory of {self.device}: take '
                    'fewer (batch_size).'
                ) from error
            size = ' x '.join(map(str, batch.shape[-2:]))
            raise ConfigError(
                f'The backbone of {self.path} cannot take images of {size} pixels '
                f'({type(error).__name__}: {error}). Choose another size of the patch.'
            ) from error

    def embed(
        self,
        images: np.ndarray | Tensor,
        bands: Sequence[str] | None = None,
        unit: str | None = None,
    ) -> np.ndarray:
        """Embed images of named bands and known unit, each as a whole.

        Args:
            images: N x C x H x W of any number type; one image may be C x H x W.
            bands: Name of each channel in any usual spelling, more than the backbone takes if need
                be. Defaults to the bands of the backbone in its order.
            unit: Of the pixels, see :meth:`choose_unit`.

        Returns:
            N x D float32; D for one image.

        Raises:
            BandError: A band is missing, or another number of channels.
            ConfigError: A unit that is not known, images that are no images.
            RasterError: Values that fit another unit, where none is given.
        """
        array = np.asarray(images)
        if array.dtype in (np.uint16, np.uint32):  # torch has no arithmetic for them
            array = array.astype(np.int64)
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if tensor.ndim not in (3, 4):
            raise ConfigError(
                f'images have the shape {tuple(tensor.shape)}. Expected N x C x H x W, or '
                'C x H x W for one.'
            )
        batch = tensor if tensor.ndim == 4 else tensor[None]
        chosen_unit = self.choose_unit(unit)
        inputs = self._inputs(tuple(bands or self.bands), chosen_unit)
        if chosen_unit in UNITS and (array.dtype != np.uint8 or chosen_unit != 'reflectance x 255'):
            option = "unit='0..255' for pictures that are stretched already, else unit="
            check_pixels(array, chosen_unit, 'images', option, is_declared=unit is not None)
        stretched_batches = [
            inputs.stretch(inputs.select(part)) for part in batch.split(self.batch_size)
        ]
        vectors = np.concatenate([self.embed_stretched(part) for part in stretched_batches])
        return vectors if tensor.ndim == 4 else vectors[0]

    def _inputs(self, bands: tuple[str, ...], unit: str) -> CheckpointInputs:
        channels = [name_band(band, self.bands) for band in bands]
        return CheckpointInputs(self.bands, self.stats, channels, unit, 'the images')

    def describe(self) -> Mapping[str, Any]:
        """Return what a table of embeddings keeps of the backbone, for JSON."""
        return dict(
            path=self.path,
            key=self.key,
            stage=self.stage,
            pool=self.pool,
            bands=list(self.bands),
            statistics=stats_to_mapping(self.stats, self.bands),
        )

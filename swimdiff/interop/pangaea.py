"""Our backbones as an encoder of PANGAEA (``pangaea-bench``).

The interface is that of ``pangaea/encoders/base.py::Encoder``. The command is in
``docs/how-to/yardsticks.md``.
"""

from collections.abc import Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import Any

import torch
from pangaea.encoders.base import Encoder
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.interop.inputs import CheckpointInputs, check_unit, name_band
from swimdiff.interop.opening import open_checkpoint
from swimdiff.models.selfsup.utils import probe_pyramid

__all__ = ['SwiMDiffEncoder']


def _read_statistics(
    mean: Sequence[float] | None, std: Sequence[float] | None, bands: Sequence[str]
) -> tuple[list[float], list[float]] | None:
    """Mean and deviation that the benchmark standardised with; None for images as stored.

    Raises:
        ConfigError: Only one of them, not one for each band, or a deviation of 0.
    """
    if mean is None and std is None:
        return None
    centre, spread = (list(map(float, values or ())) for values in (mean, std))
    if len(centre) != len(bands) or len(spread) != len(bands) or min(spread) <= 0:
        raise ConfigError(
            f'encoder.data_mean {centre} and encoder.data_std {spread} are to be undone. Expected '
            f'one of each for the {len(bands)} bands of encoder.input_bands, deviations above 0. '
            'Take both from the config of the data set (${dataset.data_mean.optical}), or set both '
            'to null where the preprocessing does not standardise.'
        )
    return centre, spread


class SwiMDiffEncoder(Encoder):
    """Give the feature maps of one of our checkpoints as a pyramid.

    PANGAEA's preprocessing standardises each image with the mean and deviation of its data set.
    By default that is undone here, and the checkpoint's own stretch and statistics are applied
    instead. Like the other encoders of single images it sees one date at a time; the decoders
    named ``_mt_`` call it for each date.

    A frozen encoder stays in evaluation mode while the decoder trains: its batch-norm statistics
    do not move.

    Args:
        encoder_weights: Checkpoint of pre-training, or a published backbone; a file or an address.
        input_bands: PANGAEA's names of the bands by modality; those of ``optical`` are the
            channels that arrive, in order. They must hold the bands of the checkpoint.
        input_size: Side in pixels that PANGAEA cuts images to.
        normalization: ``checkpoint`` (see above), or ``benchmark`` for images standardised by
            PANGAEA as every other encoder there gets them.
        input_unit: Unit of the pixels of the data set before PANGAEA standardised them, see
            :func:`swimdiff.interop.inputs.check_unit`. Needed with ``checkpoint``.
        data_mean: Mean of each of the bands, which PANGAEA has subtracted; None for images that
            it has not standardised (``preprocessing=seg_wo_norm``).
        data_std: Deviation likewise.
        stats: Statistics instead of those of the checkpoint, e.g. ``oscd`` for level 1C.
        backbone: Config of the backbone, where the checkpoint does not say.
        checkpoint_bands: Bands of the checkpoint in order, where it does not say.
        prefix: Part of the checkpoint to take.

    Raises:
        BandError: A band of the checkpoint is missing.
        CheckpointError: The checkpoint cannot be read or does not fit.
        ConfigError: The unit is unknown or contradicted by the mean.

    Examples:
        As YAML, a file of PANGAEA's config group ``encoder``::

            _target_: swimdiff.interop.pangaea.SwiMDiffEncoder
            encoder_weights: work_dirs/RUN/epoch_200.pth
            input_size: 224
            input_unit: reflectance
            input_bands:
              optical: ${dataset.bands.optical}
            data_mean: ${dataset.data_mean.optical}
            data_std: ${dataset.data_std.optical}
    """

    def __init__(
        self,
        encoder_weights: str | Path,
        input_bands: dict[str, list[str]],
        input_size: int,
        normalization: str = 'checkpoint',
        input_unit: str | None = None,
        data_mean: Sequence[float] | None = None,
        data_std: Sequence[float] | None = None,
        stats: str | None = None,
        backbone: Mapping[str, Any] | None = None,
        checkpoint_bands: Sequence[str] | None = None,
        prefix: str = 'backbone.',
    ) -> None:
        if normalization not in ('checkpoint', 'benchmark'):
            raise ConfigError(
                f'encoder.normalization={normalization}. Expected checkpoint (its own statistics) '
                'or benchmark (those of the data set).'
            )
        source = open_checkpoint(str(encoder_weights), backbone, checkpoint_bands, stats, prefix)
        body = source.build()
        widths = probe_pyramid(body, len(source.bands))['in_channels']
        super().__init__(
            model_name='swimdiff',
            input_bands=input_bands,
            input_size=input_size,
            embed_dim=widths[-1],
            output_layers=list(range(len(widths))),
            output_dim=widths,
            multi_temporal=False,
            multi_temporal_output=False,
            pyramid_output=True,
            encoder_weights=encoder_weights,
            download_url='',  # our reader fetches addresses itself
        )
        self.native = normalization == 'checkpoint'
        self.opened = source
        self.backbone = body
        self._prepare_inputs(list(input_bands['optical']), input_unit, data_mean, data_std)

    def _prepare_inputs(
        self,
        names: list[str],
        unit: str | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
    ) -> None:
        tables = _read_statistics(mean, std, names) if self.native else None
        if self.native:
            unit = check_unit(tables[0] if tables else [], unit, 'encoder.input_unit')
        else:
            unit = None
        channels = [name_band(name, self.opened.bands) for name in names]
        where = f'the data set ({", ".join(names)})'
        self.inputs = CheckpointInputs(self.opened.bands, self.opened.stats, channels, unit, where)
        centre, spread = tables or ([0.0] * len(names), [1.0] * len(names))
        for name, values in (('data_mean', centre), ('data_std', spread)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)
        self.data_mean: Tensor
        self.data_std: Tensor

    def load_encoder_weights(self, logger: Logger) -> None:
        """Load the weights; PANGAEA calls this once after building.

        Args:
            logger: Gets one line, how many tensors were loaded.

        Raises:
            CheckpointError: A tensor is missing, of another shape, or not finite.
        """
        logger.info(self.opened.load(self.backbone))

    def train(self, mode: bool = True) -> 'SwiMDiffEncoder':
        """Switch the mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.backbone.parameters()):
            self.backbone.eval()
        return self

    def forward(self, image: dict[str, Tensor]) -> list[Tensor]:
        """Return the feature maps of one date.

        Args:
            image: ``optical``: B x C x H x W, or B x C x 1 x H x W, as PANGAEA's preprocessing
                leaves it; other modalities are left aside.

        Returns:
            B x output_dim[i] x H' x W' maps, finest first.

        Raises:
            ConfigError: Several dates at once.
        """
        optical = image['optical']
        if optical.ndim == 5:
            if optical.shape[2] != 1:
                raise ConfigError(
                    f'The encoder got {optical.shape[2]} dates at once {tuple(optical.shape)}. '
                    'Expected one: it is an encoder of single images (multi_temporal=False). Take '
                    'a decoder that calls it for each date, such as decoder=seg_upernet_mt_ltae.'
                )
            optical = optical.squeeze(2)
        if self.native:
            optical = self.inputs(optical * self.data_std + self.data_mean)
        else:
            optical = self.inputs.select(optical)
        maps = self.backbone(optical)
        return [maps] if isinstance(maps, Tensor) else list(maps)

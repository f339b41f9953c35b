"""Opening any of our checkpoints as a backbone, its bands and its statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from swimdiff.bands import ProductStats, canonical_bands, get_stats
from swimdiff.errors import CheckpointError
from swimdiff.registry import MODELS
from swimdiff.weights.checkpoint import Checkpoint, parse_config_text, read_checkpoint
from swimdiff.weights.input_statistics import META_KEY, read_statistics
from swimdiff.weights.pretrained import load_weights

__all__ = ['OpenedCheckpoint', 'open_checkpoint']


@dataclass(frozen=True)
class OpenedCheckpoint:
    """Hold a file of weights with everything that is needed to use it.

    Args:
        checkpoint: The file.
        config: Config of the backbone, as the registry of models builds it.
        bands: Bands that the backbone takes, in order.
        stats: Stretch and standardisation of its images.
        prefix: Part of the file that holds the backbone.
    """

    checkpoint: Checkpoint
    config: Mapping[str, Any]
    bands: tuple[str, ...]
    stats: ProductStats
    prefix: str

    def build(self) -> nn.Module:
        """Build the backbone, its weights not loaded yet."""
        return MODELS.build({**self.config, 'in_channels': len(self.bands)})

    def load(self, backbone: nn.Module) -> str:
        """Load the weights into what :meth:`build` returned.

        Returns:
            One line for the log: how many of how many tensors.

        Raises:
            CheckpointError: A tensor is missing, of another shape, or not finite.
        """
        return load_weights(
            backbone, self.checkpoint, self.prefix, bands=self.bands, checkpoint_bands=self.bands
        )


def _find_stats(checkpoint: Checkpoint) -> ProductStats | str | None:
    """Return the statistics: as written with the weights, else by name, else None.

    A name says too little where the run had a mean and deviation of its own.
    """
    if META_KEY in checkpoint.meta:
        return read_statistics(checkpoint)
    config = parse_config_text(str(checkpoint.meta.get('cfg', '')))
    model = config.get('model')
    model_preprocessor = model.get('data_preprocessor') if isinstance(model, dict) else None
    preprocessor = config.get('data_preprocessor') or model_preprocessor
    if isinstance(preprocessor, dict) and preprocessor.get('mean') is not None:
        return None
    return checkpoint.stats


def open_checkpoint(
    path: str,
    backbone: Mapping[str, Any] | None = None,
    bands: Sequence[str] | None = None,
    stats: str | Mapping[str, Any] | None = None,
    prefix: str = 'backbone.',
) -> OpenedCheckpoint:
    """Open a pre-training checkpoint or a published backbone.

    Args:
        path: ``epoch_N.pth``, or a file of ``publish_backbone.py`` (``.pth``, ``.safetensors``).
        backbone: Config of the backbone, where the file does not say.
        bands: Bands that the backbone takes, in order, where the file does not say.
        stats: Statistics (:func:`swimdiff.bands.get_stats`) instead of those that the file names:
            those of the product that the images are of.
        prefix: Part of the file to take. A file of bare names is taken as it is.

    Raises:
        CheckpointError: The file cannot be read, or does not say what nobody gave.
        BandError: A band or statistics that are not known.
    """
    checkpoint = read_checkpoint(path)
    settings: dict[str, Any] = dict(
        backbone=backbone or checkpoint.backbone,
        bands=bands or checkpoint.bands,
        stats=stats or _find_stats(checkpoint),
    )
    missing_settings = [name for name, value in settings.items() if not value]
    if missing_settings:
        examples = dict(
            backbone="dict(type='mmpretrain.ResNet', depth=50, out_indices=(0, 1, 2, 3))",
            bands="('B04', 'B03', 'B02')",
            stats="'seco'",
        )
        advice = ', '.join(f'{name}={examples[name]}' for name in missing_settings)
        raise CheckpointError(
            f'{path} does not say its {", ".join(missing_settings)}. Expected a checkpoint of '
            'pre-training or a file of publish_backbone.py, which do. Give what is missing as '
            f'options, for example {advice}.'
        )
    # The weights come from this file, not from one that its own training began with.
    config = {key: value for key, value in settings['backbone'].items() if key != 'init_cfg'}
    table = get_stats(settings['stats'])
    names = canonical_bands(settings['bands'], (*table.low, *(checkpoint.bands or ())))
    return OpenedCheckpoint(checkpoint, config, names, table, prefix)

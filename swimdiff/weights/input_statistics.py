"""The statistics of the images that a network was trained on, in its checkpoint and its config.

A backbone knows the world by the stretch and the standardisation of its training. Names of tables
say too little (a file of statistics may be gone, a table may change), so checkpoints carry the
numbers: ``meta['input_statistics']``, in the form of :func:`swimdiff.bands.stats_to_mapping`. Older
checkpoints are read by the config that they carry.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from swimdiff.bands import (
    ProductStats,
    get_stats,
    spell_band,
    spell_bands,
    stats_from_mapping,
    stats_to_mapping,
)
from swimdiff.errors import BandError
from swimdiff.weights.checkpoint import Checkpoint, parse_config_text

__all__ = [
    'META_KEY',
    'UNSTRETCHED',
    'combine_statistics',
    'describe_statistics',
    'iterate_datasets',
    'read_statistics',
]

#: Where a checkpoint, or a published file, has its statistics.
META_KEY = 'input_statistics'
#: Unit of pixels that are standardised as the files hold them.
UNSTRETCHED = 'as stored, no stretch'


def combine_statistics(
    bands: tuple[str, ...],
    stretch: ProductStats | None,
    mean: Mapping[str, float],
    std: Mapping[str, float],
    unit: str = UNSTRETCHED,
) -> ProductStats:
    """Combine the stretch of a data set with mean and deviation of a preprocessor.

    Args:
        bands (tuple[str, ...]): Bands of the network, canonical, in order.
        stretch (ProductStats, optional): What the pixels are stretched with; None where they are
            taken as they are.
        mean (Mapping): Mean by band on the 0..255 scale.
        std (Mapping): Standard deviation by band on the 0..255 scale.
        unit (str): Unit of pixels without a stretch. Defaults to :data:`UNSTRETCHED`.

    Raises:
        BandError: The stretch lacks a band.
    """
    if stretch is None:
        low, high = dict.fromkeys(bands, 0.0), dict.fromkeys(bands, 255.0)
        return ProductStats('no stretch', low, high, mean, std, unit, 'no stretch of the pixels')
    low, high = (
        dict(zip(bands, stretch.select(table, bands), strict=True)) for table in ('low', 'high')
    )
    known_bands = {band: stretch.bands[band] for band in bands if band in stretch.bands}
    return ProductStats(
        stretch.name, low, high, mean, std, stretch.unit, stretch.source, known_bands
    )


def iterate_datasets(described: Any) -> Iterator[dict[str, Any]]:
    """Yield each part of a data set's config with a type.

    They are the set, those inside, and transforms.

    Args:
        described (Any): Config of a data set, which may wrap others.
    """
    if isinstance(described, dict):
        if 'type' in described:
            yield described
        for value in described.values():
            yield from iterate_datasets(value)
    elif isinstance(described, list | tuple):
        for value in described:
            yield from iterate_datasets(value)


def _read_config(config: Mapping[str, Any]) -> ProductStats | None:
    """Statistics by what the config of a run names; None where it does not say."""
    model = config.get('model')
    model_preprocessor = model.get('data_preprocessor') if isinstance(model, Mapping) else None
    preprocessor = model_preprocessor or config.get('data_preprocessor')
    if not isinstance(preprocessor, Mapping) or not preprocessor.get('bands'):
        return None
    bands = spell_bands(preprocessor['bands'])
    own = {name: preprocessor[name] for name in ('mean', 'std') if preprocessor.get(name)}
    if not preprocessor.get('stats'):
        return None  # nothing says how the pixels were stretched
    table = get_stats(preprocessor['stats'])
    loader = config.get('train_dataloader')
    data = loader.get('dataset') if isinstance(loader, Mapping) else None
    stats_names = [part['stats'] for part in iterate_datasets(data) if part.get('stats')]
    stretch = get_stats(stats_names[0]) if stats_names else table
    mean, std = (
        {spell_band(band): float(value) for band, value in own[name].items()}
        if name in own
        else dict(zip(bands, table.select(name, bands), strict=True))
        for name in ('mean', 'std')
    )
    return combine_statistics(bands, stretch, mean, std)


def read_statistics(checkpoint: Checkpoint) -> ProductStats | None:
    """Return the statistics of the images that a checkpoint was trained on.

    Args:
        checkpoint (Checkpoint): Of pre-training or of a task after it, or a published file.

    Returns:
        ProductStats: None where the file does not say.
    """
    saved_statistics = checkpoint.meta.get(META_KEY)
    try:
        if isinstance(saved_statistics, str):
            saved_statistics = json.loads(saved_statistics)
        if isinstance(saved_statistics, Mapping):
            return stats_from_mapping(saved_statistics, f'{checkpoint.path} ({META_KEY})')
        text = checkpoint.meta.get('cfg')
        if isinstance(text, str):
            return _read_config(parse_config_text(text))
        stats_name, bands = checkpoint.meta.get('stats'), checkpoint.bands
        if stats_name and bands:
            table = get_stats(str(stats_name))
            return stats_from_mapping(stats_to_mapping(table, bands))
    except (BandError, ValueError):  # a file that is gone, a table of another version
        return None
    return None


def describe_statistics(stats: ProductStats, bands: tuple[str, ...]) -> str:
    """Return one line of numbers for the log.

    Args:
        stats (ProductStats): The statistics.
        bands (tuple[str, ...]): Bands to name, in order.
    """
    columns = [stats.select(name, bands) for name in ('low', 'high', 'mean', 'std')]
    each = [
        f'{band} {low:.4g}..{high:.4g} mean {mean:.4g} std {std:.4g}'
        for band, low, high, mean, std in zip(bands, *columns, strict=True)
    ]
    return f'{stats.name!r} ({stats.unit}): {"; ".join(each)}'

"""Bands by name, and statistics of products keyed by band name. Nothing heavy is imported."""

from collections.abc import Mapping
from typing import Any

from swimdiff.bands.names import (
    RGB,
    SECO_BANDS,
    SENTINEL2,
    Band,
    canonical,
    canonical_bands,
    seco_stem,
    spell_band,
    spell_bands,
)
from swimdiff.bands.stats import (
    ProductStats,
    stats_from_json,
    stats_from_mapping,
    stats_to_json,
    stats_to_mapping,
)
from swimdiff.bands.tables import TABLES
from swimdiff.errors import BandError

__all__ = [
    'RGB',
    'SECO_BANDS',
    'SENTINEL2',
    'Band',
    'ProductStats',
    'canonical',
    'canonical_bands',
    'get_stats',
    'seco_stem',
    'spell_band',
    'spell_bands',
    'stats_from_json',
    'stats_from_mapping',
    'stats_to_json',
    'stats_to_mapping',
]


def get_stats(stats: str | Mapping[str, Any] | ProductStats) -> ProductStats:
    """Return the statistics of a product.

    Args:
        stats: A name (``seco``, ``oscd``, ``s2_l1c``, ``s2_l2a``, ``pictures``), a file of
            ``tools/dataset_converters/compute_stats.py`` (``.json``), or what such a file holds.

    Raises:
        BandError: No such table, or one that cannot be used.
    """
    if isinstance(stats, ProductStats):
        return stats
    if isinstance(stats, Mapping):
        return stats_from_mapping(stats)
    if str(stats).endswith('.json'):
        return stats_from_json(stats)
    if stats not in TABLES:
        raise BandError(
            f'No statistics named {stats!r}; there are {", ".join(TABLES)}, and any .json file of '
            'tools/dataset_converters/compute_stats.py.'
        )
    return TABLES[stats]

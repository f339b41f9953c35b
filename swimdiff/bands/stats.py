"""Stretch and standardisation of a product: in code, in a config or in a file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swimdiff.bands.names import Band, spell_band, spell_bands
from swimdiff.errors import BandError
from swimdiff.files import replace_text

__all__ = [
    'ProductStats',
    'stats_from_json',
    'stats_from_mapping',
    'stats_to_json',
    'stats_to_mapping',
]


@dataclass(frozen=True)
class ProductStats:
    """Stretch and standardisation of one product, keyed by band name.

    Args:
        name: Short name, as passed to :func:`get_stats`.
        low: Value that the stretch maps to 0, in ``unit``.
        high: Value that the stretch maps to 255, in ``unit``.
        mean: Mean after the stretch, on the 0..255 scale.
        std: Standard deviation after the stretch, on the 0..255 scale.
        unit: Unit of the stored pixels, see :mod:`swimdiff.datasets.index.unit_check`.
        source: Where the numbers come from.
        bands: Wavelength and resolution of bands that are not Sentinel-2's, where known.
    """

    name: str
    low: Mapping[str, float]
    high: Mapping[str, float]
    mean: Mapping[str, float]
    std: Mapping[str, float]
    unit: str
    source: str
    bands: Mapping[str, Band] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for band, low in self.low.items():
            if not str(band).strip():
                raise BandError(f'{self.name}: a band needs a name; found an empty one.')
            missing_tables = [t for t in ('high', 'mean', 'std') if band not in getattr(self, t)]
            if missing_tables:
                raise BandError(f'{self.name}: {band} has no {", ".join(missing_tables)}.')
            if not low < self.high[band]:
                raise BandError(
                    f'{self.name}: the stretch of {band} goes from {low:g} to {self.high[band]:g}. '
                    'Expected a low value below the high one.'
                )
            if not self.std[band] > 0:
                raise BandError(
                    f'{self.name}: the standard deviation of {band} is {self.std[band]:g}. '
                    'Expected one above 0; leave the band out if it is constant.'
                )

    def select(self, table: str, bands: Iterable[str]) -> tuple[float, ...]:
        """Return the numbers of one table for the bands, in their order.

        Args:
            table: ``low``, ``high``, ``mean`` or ``std``.
            bands: Band names in any usual spelling.

        Raises:
            BandError: The product has no such band.
        """
        values: Mapping[str, float] = getattr(self, table)
        names = spell_bands(bands)
        missing_bands = [name for name in names if name not in values]
        if missing_bands:
            raise BandError(
                f'No {table} known for {", ".join(missing_bands)} in the statistics {self.name!r}; '
                f'it has {", ".join(values)}. Leave the band out or give its statistics by name.'
            )
        return tuple(values[name] for name in names)


def stats_from_mapping(content: Mapping[str, Any], name: str = 'the config') -> ProductStats:
    """Return the statistics as a config or a file holds them.

    Args:
        content: ``unit``, ``bands`` (by name: ``low``, ``high``, ``mean``, ``std``, and perhaps
            ``wavelength_nm`` and ``resolution_m``), and perhaps ``name`` and ``source``.
        name: Where the content is from, for messages.

    Raises:
        BandError: An entry is missing or out of range.
    """
    try:
        entries = dict(content['bands'])
        table: dict[str, Any] = {
            column: {spell_band(band): float(entry[column]) for band, entry in entries.items()}
            for column in ('low', 'high', 'mean', 'std')
        }
        unit = content['unit']
    except (KeyError, TypeError, ValueError) as error:
        raise BandError(
            f'{name}: expected statistics as tools/dataset_converters/compute_stats.py writes them '
            '(unit, and for each of bands low, high, mean and std); found no proper '
            f'{error}. Write the file again.'
        ) from error
    known_bands = {
        spell_band(band): Band(spell_band(band), entry['wavelength_nm'], entry['resolution_m'])
        for band, entry in entries.items()
        if 'wavelength_nm' in entry and 'resolution_m' in entry
    }
    about = dict(unit=unit, source=str(content.get('source', name)), bands=known_bands)
    return ProductStats(name=str(content.get('name', name)), **table, **about)


def stats_from_json(path: str | Path) -> ProductStats:
    """Return the statistics from a file of ``compute_stats.py``.

    Raises:
        BandError: The file is missing or holds something else.
    """
    try:
        content = json.loads(Path(path).expanduser().read_text())
    except (OSError, ValueError) as error:
        raise BandError(
            f'{path}: expected a file of statistics as compute_stats.py writes it; {error}.'
        ) from error
    return stats_from_mapping(content, str(path))


def stats_to_mapping(stats: ProductStats, bands: Iterable[str]) -> dict[str, Any]:
    """Return statistics as a config or a checkpoint holds them.

    Args:
        stats (ProductStats): The statistics.
        bands (Iterable[str]): Bands to hold, in the order of the channels.

    Returns:
        dict[str, Any]: Plain data that :func:`stats_from_mapping` reads.

    Raises:
        BandError: The statistics lack a band.
    """
    names = spell_bands(bands)
    columns = {column: stats.select(column, names) for column in ('low', 'high', 'mean', 'std')}
    entries: dict[str, dict[str, float]] = {}
    for number, name in enumerate(names):
        entries[name] = {column: values[number] for column, values in columns.items()}
        if name in stats.bands:
            band = stats.bands[name]
            entries[name].update(wavelength_nm=band.wavelength_nm, resolution_m=band.resolution_m)
    return dict(name=stats.name, unit=stats.unit, source=stats.source, bands=entries)


def stats_to_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write statistics atomically, after a look whether they can be read back.

    Args:
        path: The file.
        content: As :func:`stats_from_mapping` reads it.
    """
    stats_from_mapping(content, str(path))
    replace_text(Path(path), json.dumps(content, indent=1))

"""Units of pixels, and conversion to the unit of the statistics that stretch them."""

from collections.abc import Mapping

import numpy as np

from swimdiff.bands.stats import ProductStats
from swimdiff.errors import ConfigError

__all__ = ['UNITS', 'convert_pixels']

#: Value that represents a reflectance of 1 in each unit.
UNITS: Mapping[str, float] = {
    'reflectance x 10000': 10_000.0,
    'reflectance x 255': 255.0,
    'reflectance': 1.0,
}


def convert_pixels(values: np.ndarray, unit: str, stats: ProductStats) -> np.ndarray:
    """Bring pixels to the unit of the statistics that they are stretched with.

    A backbone is fed with the statistics of its pre-training whatever unit the files have.

    Args:
        values (np.ndarray): Pixels of any shape and type.
        unit (str): What they are in, one of :data:`UNITS`.
        stats (ProductStats): The statistics.

    Returns:
        np.ndarray: The same array where the units agree, else float64. For ``reflectance x 255``
        fractions and what is above 255 are cut off, as files of that unit hold uint8.

    Raises:
        ConfigError: The statistics are not of reflectance.
    """
    if stats.unit == unit:
        return values
    if stats.unit not in UNITS:
        raise ConfigError(
            f'The statistics {stats.name!r} are of pixels in {stats.unit!r}, the files hold '
            f'{unit!r}. Expected statistics in one of {", ".join(map(repr, UNITS))}; name others '
            'with stats=...'
        )
    converted_values = np.asarray(values, np.float64) * UNITS[stats.unit] / UNITS[unit]
    if stats.unit == 'reflectance x 255':
        return np.minimum(np.floor(converted_values), 255)
    return converted_values

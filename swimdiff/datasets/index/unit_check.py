"""Refusing an archive whose pixels are not in the unit that it is said to have."""

import logging
import math

import numpy as np
from mmengine.logging import print_log

from swimdiff.bands.units import UNITS
from swimdiff.datasets.index.cache import digest
from swimdiff.datasets.index.source import PatchSource
from swimdiff.errors import LayoutError, RasterError

__all__ = ['check_pixels', 'check_unit']

#: What the 98 % quantile of reflectance can be. 255 / 10,000 is below it; snow and cloud within.
_BRIGHT = (0.026, 2.0)

#: Patches read to judge an archive, and about how many pixels of an array are looked at.
_READ, _LOOKED_AT = 16, 2**18


def check_unit(source: PatchSource, bands: tuple[str, ...], skip_unreadable: bool = False) -> None:
    """Refuse an archive whose pixels do not fit the unit it is declared to have.

    Args:
        source: The archive. Without a unit nothing is checked. Of uint8 pixels 98 % may well be
            dark; there the type of every file is checked when it is read.
        bands: Bands that are used.
        skip_unreadable: Judge by the patches that can be read, instead of raising.

    Raises:
        RasterError: The values fit another unit; names the numbers seen.
    """
    if source.unit is None or source.dtype == 'uint8' or not len(source.index):
        return

    def measure() -> np.ndarray:
        last = len(source.index) - 1
        rows = np.unique(np.linspace(0, last, _READ).round().astype(int)).tolist()
        planes: list[np.ndarray] = []
        for row in rows:
            try:
                planes += source.read([row], bands)[0]
            except (LayoutError, RasterError):
                if not skip_unreadable:
                    raise
        if not planes:
            return np.zeros(2)
        # Zeros are most often no-data that nobody declared.
        nonzero_values = np.concatenate([plane[plane != 0].ravel() for plane in planes])
        return np.quantile(nonzero_values, [0.02, 0.98]) if nonzero_values.size else np.zeros(2)

    low, high = source.keep_array(f'values-{digest(bands)}', measure).tolist()
    _check_quantiles(low, high, source.unit, str(source.root), 'unit=')


def check_pixels(
    values: np.ndarray,
    unit: str,
    where: str,
    option: str = 'unit=',
    is_declared: bool = False,
    no_data: float | None = None,
) -> None:
    """Refuse pixels whose brightness does not fit the unit that they are taken for.

    Args:
        values: Pixels of any shape, offsets taken off. Zeros, which are most often no data, and
            what is no number are left out; where nothing is left nothing is checked. Of many
            pixels some, spread evenly, are looked at.
        unit: What they are taken for, one of :data:`swimdiff.bands.units.UNITS`.
        where: Archive, file or array, for the message.
        option: Option that declares the unit, for the message.
        is_declared: Whether the user said the unit. Then it is a warning: open water is darker
            than any other ground.
        no_data: Another value that has no data.

    Raises:
        RasterError: The values fit another unit; names the numbers seen.
    """
    step = max(1, values.size // _LOOKED_AT)
    while math.gcd(step, values.shape[-1]) > 1:  # not the same columns of every row
        step += 1
    sampled_values = values.flat[::step]
    has_data = np.isfinite(sampled_values) & (sampled_values != 0)
    if no_data is not None:
        has_data &= sampled_values != sampled_values.dtype.type(no_data)
    data_values = sampled_values[has_data]
    if not data_values.size:
        return
    low, high = np.quantile(data_values, [0.02, 0.98]).tolist()
    try:
        _check_quantiles(low, high, unit, where, option)
    except RasterError as error:
        if not is_declared:
            raise
        print_log(str(error), logger='current', level=logging.WARNING)


def _check_quantiles(low: float, high: float, unit: str, where: str, option: str) -> None:
    scale = UNITS[unit]
    if _BRIGHT[0] * scale <= high <= _BRIGHT[1] * scale:
        return
    fits = [unit for unit, s in UNITS.items() if _BRIGHT[0] * s <= high <= _BRIGHT[1] * s]
    advice = f'Declare {option}{fits[0]!r}.' if fits else 'Check how the files were written.'
    raise RasterError(
        f'{where}: pixels are taken for {unit!r}, but the 2 % and 98 % '
        f'quantiles of those read are {low:g} and {high:g}, reflectances of {low / scale:.3g} and '
        f'{high / scale:.3g}. Expected a 98 % quantile of {_BRIGHT[0] * scale:g} to '
        f'{_BRIGHT[1] * scale:g}. {advice}'
    )

"""What the numbers of a product are above reflectance: said by the user, its files or its name.

Sentinel-2 products add 1000 to their numbers from ESA's baseline 04.00 (January 2022) on. Source:
Sentinel-2 Products Specification Document, RADIO_ADD_OFFSET and BOA_ADD_OFFSET.
"""

import os
import re
from collections.abc import Iterable
from typing import Any

from swimdiff.bands.units import UNITS
from swimdiff.errors import RasterError

__all__ = ['find_declared', 'find_offset']

#: A Sentinel-2 product in a path: its level, and its baseline.
_PRODUCT = re.compile(r'S2._MSI(L1C|L2A)_\d{8}T\d{6}_N(\d{4})_')
#: Baselines from here on are none of ESA's: N9999 is what Sen2Cor calls what users make with it.
_OWN_BASELINES = 9000
_ADDED = 1000
#: Differences that come from a number written with few digits.
_CLOSE, _WHOLE = 1e-3, 1e-2


def find_declared(bands: Iterable[Any]) -> list[tuple[float, float]]:
    """Return scale and offset that bands of GDAL declare, each pair once.

    Args:
        bands: Bands of open files.

    Returns:
        Pairs ``(scale, offset)``: a reflectance is number x scale + offset. A band that declares
        nothing counts as ``(1, 0)``.
    """
    scale_offsets = {(band.GetScale() or 1.0, band.GetOffset() or 0.0) for band in bands}
    return sorted(scale_offsets)


def find_offset(
    path: str,
    unit: str | None,
    declared: Iterable[tuple[float, float]] = (),
    given: int | None = None,
) -> int:
    """Return what is taken off the numbers of a scene, for a reflectance of 0 at 0.

    The first of these that says something is believed: ``given``; scale and offset that the files
    declare; the product's metadata (``MTD_MSIL2A.xml``); the baseline in the product's name.

    Args:
        path: The scene; names of folders count.
        unit: Unit of the numbers; one that is none of reflectance: they are taken as stored.
        declared: Scale and offset of the bands, see :func:`find_declared`.
        given: As the user says.

    Returns:
        0 or above, in numbers of the files.

    Raises:
        RasterError: The files declare another unit, or nothing says which number is added.
    """
    if given is not None or unit is None or unit not in UNITS:
        return given or 0
    pairs = list(declared)
    if any(pair != (1.0, 0.0) for pair in pairs):
        return _read_declared(path, unit, pairs)
    match = _PRODUCT.search(path) if unit == 'reflectance x 10000' else None
    if match is None:
        return 0
    written_offset = _read_metadata(path, match)
    if written_offset is not None:
        return written_offset
    baseline = int(match[2])
    if baseline >= _OWN_BASELINES:
        raise RasterError(
            f'{path}: the baseline N{match[2]} is not one of ESA but of a product made with '
            f'Sen2Cor, whose numbers may or may not be {_ADDED} too high, and there is no '
            f'MTD_MSI{match[1]}.xml that says it. Say it: offset={_ADDED} where the level 1C '
            'product was of baseline 04.00 or later, else offset=0 (--offset for maps and '
            'embeddings).'
        )
    return _ADDED if baseline >= 400 else 0


def _read_declared(path: str, unit: str, pairs: list[tuple[float, float]]) -> int:
    """Return the offset that files declare, in their numbers."""
    words = ', '.join(f'scale {scale:g} and offset {offset:g}' for scale, offset in pairs)
    if len(pairs) > 1:
        raise RasterError(
            f'{path}: its bands declare different numbers: {words}. Expected the same for all. '
            'Write reflectance first: gdal_translate -unscale -ot Float32 IN OUT.'
        )
    scale, offset = pairs[0]
    if abs(scale * UNITS[unit] - 1) <= _CLOSE:
        pixel_offset = -offset / scale
    elif scale == 1:  # the offset is in numbers of the file
        pixel_offset = -offset
    else:
        raise RasterError(
            f'{path} declares {words}, that is reflectance = number x {scale:g} + {offset:g}. '
            f'Expected a scale of {1 / UNITS[unit]:g}, as its numbers are taken for {unit!r}. '
            'Write reflectance first: gdal_translate -unscale -ot Float32 IN OUT, and say its '
            'unit: reflectance.'
        )
    rounded_offset = round(pixel_offset)
    if rounded_offset < 0 or abs(pixel_offset - rounded_offset) > _WHOLE:
        raise RasterError(
            f'{path} declares {words}: {-pixel_offset:g} would be added to its numbers. Expected a '
            'whole number to take off. Write reflectance first: gdal_translate -unscale -ot '
            'Float32 IN OUT.'
        )
    return rounded_offset


def _read_metadata(path: str, product: re.Match[str]) -> int | None:
    """Return what a product's metadata says of the offset; None without such a file."""
    end = path.find(os.sep, product.end())
    folder = path if end < 0 else path[:end]
    file = os.path.join(folder, f'MTD_MSI{product[1]}.xml')
    try:
        with open(file, encoding='utf-8') as stream:
            text = stream.read()
    except OSError:
        return None
    offsets = {-float(v) for v in re.findall(r'_ADD_OFFSET\b[^>]*>\s*(-?[\d.]+)\s*<', text)}
    if len(offsets) > 1 or any(value < 0 or value % 1 for value in offsets):
        raise RasterError(
            f'{file}: its bands have the offsets {", ".join(f"{-v:g}" for v in sorted(offsets))}. '
            f'Expected one of all bands, such as -{_ADDED}. Take it off the files beforehand, and '
            'say that nothing is left to take off: offset=0.'
        )
    return int(offsets.pop()) if offsets else 0

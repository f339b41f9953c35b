"""Bands by name. Sentinel-2's are known, in ESA's two-digit form (``B04``, ``B8A``).

Bands of other sensors have any names. A caller that knows some, from a table of statistics or a
data set, passes them along; nothing is remembered here.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from swimdiff.errors import BandError

__all__ = [
    'RGB',
    'SECO_BANDS',
    'SENTINEL2',
    'Band',
    'canonical',
    'canonical_bands',
    'seco_stem',
    'spell_band',
    'spell_bands',
]


@dataclass(frozen=True)
class Band:
    """Hold one band of a sensor.

    Args:
        name: Canonical name, e.g. ``B04``.
        wavelength_nm: Central wavelength in nanometres (Sentinel-2A).
        resolution_m: Size of a native pixel in metres.
    """

    name: str
    wavelength_nm: float
    resolution_m: int


#: Source: ESA Sentinel-2 MSI, spectral bands of Sentinel-2A.
SENTINEL2: dict[str, Band] = {
    name: Band(name, wavelength, resolution)
    for name, wavelength, resolution in (
        ('B01', 442.7, 60),
        ('B02', 492.4, 10),
        ('B03', 559.8, 10),
        ('B04', 664.6, 10),
        ('B05', 704.1, 20),
        ('B06', 740.5, 20),
        ('B07', 782.8, 20),
        ('B08', 832.8, 10),
        ('B8A', 864.7, 20),
        ('B09', 945.1, 60),
        ('B10', 1373.5, 60),
        ('B11', 1613.7, 20),
        ('B12', 2202.4, 20),
    )
}

#: Red, green, blue, in the order of a picture.
RGB = ('B04', 'B03', 'B02')
#: SeCo holds level-2A products, which have no B10 (cirrus).
SECO_BANDS = tuple(name for name in SENTINEL2 if name != 'B10')


def _sentinel2(name: str) -> str:
    match = re.fullmatch(r'B?(\d{1,2}|8A)', str(name).strip().upper())
    digits = match.group(1) if match else ''
    canonical_name = 'B8A' if digits == '8A' else f'B{int(digits):02d}' if digits else ''
    return canonical_name if canonical_name in SENTINEL2 else ''


def canonical(name: str, others: Collection[str] = ()) -> str:
    """Return the two-digit name of a Sentinel-2 band.

    ``B4``, ``b04`` and ``4`` become ``B04``.

    Args:
        name: Any usual spelling.
        others: Names of bands that are known beside Sentinel-2's, such as those of a table of
            statistics; they keep their spelling.

    Raises:
        BandError: There is no such band.
    """
    canonical_name = _sentinel2(name)
    if canonical_name:
        return canonical_name
    if name in others:
        return spell_band(name)
    beside = [other for other in others if not _sentinel2(other)]
    more = f' Known here beside them: {", ".join(beside)}.' if beside else ''
    raise BandError(
        f'{name!r} is no band of Sentinel-2. Bands are named {", ".join(SENTINEL2)} '
        f"(the zero may be left out: 'B4').{more} Bands of another sensor are known where a "
        'table of statistics (stats=...) or the data set names them.'
    )


def canonical_bands(names: Iterable[str], others: Collection[str] = ()) -> tuple[str, ...]:
    """Return the canonical names of several bands, in the order given.

    Args:
        names: At least one band, none twice.
        others: Names that are known beside Sentinel-2's, see :func:`canonical`.

    Raises:
        BandError: No band, an unknown band, or a band named twice.
    """
    return _check_choice(canonical(name, others) for name in _list_names(names))


def spell_band(name: str) -> str:
    """Return the name of a band of any sensor.

    Names of Sentinel-2 get their two-digit form, others stay as they are.

    For names that say by themselves which bands there are: in a table of statistics, in a file, in
    a checkpoint. Names that are to be looked up go through :func:`canonical`.

    Raises:
        BandError: The name is empty.
    """
    if not str(name).strip():
        raise BandError('A band needs a name; found an empty one.')
    return _sentinel2(name) or str(name)


def spell_bands(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of bands of any sensor, each as :func:`spell_band` does.

    Args:
        names: At least one band, none twice.

    Raises:
        BandError: No band, an empty name, or a band named twice.
    """
    return _check_choice(map(spell_band, _list_names(names)))


def _list_names(names: Iterable[str]) -> Iterable[str]:
    return (names,) if isinstance(names, str) else names


def _check_choice(chosen: Iterable[str]) -> tuple[str, ...]:
    bands = tuple(chosen)
    if not bands:
        raise BandError("No band chosen; name at least one, e.g. bands=('B04', 'B03', 'B02').")
    twice = sorted({band for band in bands if bands.count(band) > 1})
    if twice:
        raise BandError(f'Bands chosen twice: {", ".join(twice)} in {bands}. Name each band once.')
    return bands


def seco_stem(name: str) -> str:
    """Return the file stem of a band in SeCo, without the zero: ``B04`` -> ``B4``."""
    band = canonical(name)
    return f'B{band[1:].lstrip("0")}'

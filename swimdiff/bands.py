"""Bands by name, and the statistics of each product keyed by band name.

Names are ESA's two-digit form (``B04``, ``B8A``). Numbers are derived in code from the tables they
come from, so that their provenance can be read here. Nothing heavy is imported.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
]


@dataclass(frozen=True)
class Band:
    """One band of a sensor.

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


def canonical(name: str) -> str:
    """Two-digit name of a Sentinel-2 band: ``B4``, ``b04`` and ``4`` become ``B04``.

    Args:
        name: Any usual spelling.

    Raises:
        BandError: The sensor has no such band.
    """
    match = re.fullmatch(r'B?(\d{1,2}|8A)', str(name).strip().upper())
    digits = match.group(1) if match else ''
    found = 'B8A' if digits == '8A' else f'B{int(digits):02d}' if digits else ''
    if found not in SENTINEL2:
        raise BandError(
            f'{name!r} is no band of Sentinel-2. Bands are named {", ".join(SENTINEL2)} '
            "(the zero may be left out: 'B4')."
        )
    return found


def canonical_bands(names: Iterable[str]) -> tuple[str, ...]:
    """Canonical names of several bands, in the order given.

    Args:
        names: At least one band, none twice.

    Raises:
        BandError: No band, an unknown band, or a band named twice.
    """
    if isinstance(names, str):
        names = (names,)
    bands = tuple(canonical(name) for name in names)
    if not bands:
        raise BandError("No band chosen; name at least one, e.g. bands=('B04', 'B03', 'B02').")
    twice = sorted({band for band in bands if bands.count(band) > 1})
    if twice:
        raise BandError(f'Bands chosen twice: {", ".join(twice)} in {bands}. Name each band once.')
    return bands


def seco_stem(name: str) -> str:
    """File stem of a band in SeCo, which drops the zero: ``B04`` -> ``B4``."""
    band = canonical(name)
    return f'B{band[1:].lstrip("0")}'


@dataclass(frozen=True)
class ProductStats:
    """Stretch and standardisation of one product, keyed by band name.

    Args:
        name: Short name, as passed to :func:`get_stats`.
        low: Value that the stretch maps to 0, in ``unit``.
        high: Value that the stretch maps to 255, in ``unit``.
        mean: Mean after the stretch, on the 0..255 scale.
        std: Standard deviation after the stretch, on the 0..255 scale.
        unit: Unit of the stored pixels.
        source: Where the numbers come from.
    """

    name: str
    low: Mapping[str, float]
    high: Mapping[str, float]
    mean: Mapping[str, float]
    std: Mapping[str, float]
    unit: str
    source: str

    def select(self, table: str, bands: Iterable[str]) -> tuple[float, ...]:
        """Numbers of one table for the bands, in their order.

        Args:
            table: ``low``, ``high``, ``mean`` or ``std``.
            bands: Band names in any usual spelling.

        Raises:
            BandError: The product has no such band.
        """
        values: Mapping[str, float] = getattr(self, table)
        names = canonical_bands(bands)
        missing = [name for name in names if name not in values]
        if missing:
            raise BandError(
                f'No {table} known for {", ".join(missing)} in the statistics {self.name!r}; '
                f'it has {", ".join(values)}. Leave the band out or give its statistics by name.'
            )
        return tuple(values[name] for name in names)


#: Mean and standard deviation of BigEarthNet level-2A patches (reflectance x 10,000), the table
#: that SeCo's own BigEarthNet loader standardises with.
_BIGEARTHNET_L2A: dict[str, tuple[float, float]] = {
    'B01': (340.76769064, 554.81258967),
    'B02': (429.9430203, 572.41639287),
    'B03': (614.21682446, 582.87945694),
    'B04': (590.23569706, 675.88746967),
    'B05': (950.68368468, 729.89827633),
    'B06': (1792.46290469, 1096.01480586),
    'B07': (2075.46795189, 1273.45393088),
    'B08': (2218.94553375, 1365.45589904),
    'B8A': (2266.46036911, 1356.13789355),
    'B09': (2246.0605464, 1302.3292881),
    'B11': (1594.42694882, 1079.19066363),
    'B12': (1009.32729131, 818.86747235),
}

#: 2 % and 98 % quantiles of SeCo in uint8 units (its release, for the visible bands only).
_SECO_QUANTILES: dict[str, tuple[float, float]] = {
    'B02': (3.0, 88.0),
    'B03': (2.0, 103.0),
    'B04': (0.0, 129.0),
}

#: ImageNet mean and standard deviation (0..1) of the band that shows the same colour.
_IMAGENET: dict[str, tuple[float, float]] = {
    'B04': (0.485, 0.229),
    'B03': (0.456, 0.224),
    'B02': (0.406, 0.225),
}

#: Mean and standard deviation of EuroSAT's level-1C patches (reflectance x 10,000), as torchgeo's
#: EuroSAT module publishes them; its vector is positional with B8A last, here each has its name.
_EUROSAT_L1C: dict[str, tuple[float, float]] = {
    'B01': (1354.40546513, 245.71762908),
    'B02': (1118.24399958, 333.00778264),
    'B03': (1042.92983953, 395.09249139),
    'B04': (947.62620298, 593.75055589),
    'B05': (1199.47283961, 566.4170017),
    'B06': (1999.79090914, 861.18399006),
    'B07': (2369.22292565, 1086.63139075),
    'B08': (2296.82608323, 1117.98170791),
    'B8A': (2594.14080798, 1231.58581042),
    'B09': (732.08340178, 404.91978886),
    'B10': (12.11327804, 4.77584468),
    'B11': (1819.01027855, 1002.58768311),
    'B12': (1118.92391149, 761.30323499),
}

#: 2 % and 98 % quantiles of all 24 cities of OSCD, level-1C numbers (SeCo's OSCD protocol; measured
#: again on the images: the same to the last digit).
_OSCD_QUANTILES: dict[str, tuple[float, float]] = {
    'B02': (885.0, 2620.0),
    'B03': (667.0, 2969.0),
    'B04': (426.0, 3698.0),
}

#: SeCo stores reflectance 0..1 as 0..255; BigEarthNet stores reflectance x 10,000.
_SECO_PER_BIGEARTHNET = 255.0 / 10_000.0


def _seco_stats() -> ProductStats:
    low, high, mean, std = {}, {}, {}, {}
    for band in SECO_BANDS:
        centre, spread = (value * _SECO_PER_BIGEARTHNET for value in _BIGEARTHNET_L2A[band])
        if band in _SECO_QUANTILES:
            low[band], high[band] = _SECO_QUANTILES[band]
        else:
            low[band] = max(0.0, centre - 2 * spread)
            high[band] = min(255.0, centre + 2 * spread)
        if band in _IMAGENET:
            mean[band], std[band] = (value * 255.0 for value in _IMAGENET[band])
        else:
            # The stretch is affine, so it moves mean and std in closed form (its clip is left out).
            gain = 255.0 / (high[band] - low[band])
            mean[band], std[band] = (centre - low[band]) * gain, spread * gain
    return ProductStats(
        name='seco',
        low=low,
        high=high,
        mean=mean,
        std=std,
        unit='reflectance x 255 (uint8)',
        source=(
            'B02 B03 B04: 2 % and 98 % quantiles of the SeCo release, ImageNet mean and std by '
            'colour; other bands (reconstruction): mean +/- 2 std of the BigEarthNet L2A table, '
            'clipped to 0..255, and that mean and std carried through the stretch'
        ),
    )


def _oscd_stats() -> ProductStats:
    low, high, mean, std = {}, {}, {}, {}
    for band, (centre, spread) in _EUROSAT_L1C.items():
        if band in _OSCD_QUANTILES:
            low[band], high[band] = _OSCD_QUANTILES[band]
            mean[band], std[band] = (value * 255.0 for value in _IMAGENET[band])
        else:
            low[band], high[band] = max(0.0, centre - 2 * spread), centre + 2 * spread
            gain = 255.0 / (high[band] - low[band])
            mean[band], std[band] = (centre - low[band]) * gain, spread * gain
    return ProductStats(
        name='oscd',
        low=low,
        high=high,
        mean=mean,
        std=std,
        unit='level-1C number, reflectance x 10,000 (uint16)',
        source=(
            'B02 B03 B04: 2 % and 98 % quantiles of OSCD (SeCo protocol), then the mean and std '
            'that the backbone was pre-trained with; other bands (reconstruction): mean +/- 2 std '
            "of EuroSAT's level-1C table, cut off at 0, and that mean and std carried through"
        ),
    )


_STATS = {'seco': _seco_stats(), 'oscd': _oscd_stats()}


def get_stats(name: str) -> ProductStats:
    """Statistics of a product by name.

    Args:
        name: ``seco`` or ``oscd``.

    Raises:
        BandError: No such table.
    """
    if name not in _STATS:
        raise BandError(f'No statistics named {name!r}; there are {", ".join(_STATS)}.')
    return _STATS[name]

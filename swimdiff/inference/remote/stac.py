"""Items of a STAC catalogue: which of their files holds which band."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from swimdiff.bands.names import SENTINEL2
from swimdiff.datasets.geo import GDAL_ERRORS, call_again, gdal_modules, use_network
from swimdiff.errors import BandError, ConfigError, LayoutError
from swimdiff.inference.remote.addresses import ask_why, explain_failure, gdal_path, is_remote

__all__ = ['COMMON_NAMES', 'ItemBand', 'choose_assets', 'is_item', 'read_item']

#: Common names of the electro-optical extension (STAC) of Sentinel-2's bands.
COMMON_NAMES: Mapping[str, str] = {
    'B01': 'coastal',
    'B02': 'blue',
    'B03': 'green',
    'B04': 'red',
    'B05': 'rededge071',
    'B06': 'rededge075',
    'B07': 'rededge078',
    'B08': 'nir',
    'B8A': 'nir08',
    'B09': 'nir09',
    'B10': 'cirrus',
    'B11': 'swir16',
    'B12': 'swir22',
}
#: Names that catalogues use beside them.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    'B05': ('rededge1',),
    'B06': ('rededge2',),
    'B07': ('rededge3',),
}
#: Properties by which catalogues say that pixels are without the offset of newer products.
_TAKEN_OFF = ('earthsearch:boa_offset_applied', 'sentinel:boa_offset_applied')
#: Properties that hold ESA's processing baseline, ``05.11``.
_BASELINES = ('s2:processing_baseline', 'sentinel:processing_baseline')
#: Baselines 04.00 to 89.99; 99.99 is what Sen2Cor writes, and says nothing.
_ADDS = re.compile(r'0[4-9]|[1-8]\d')
#: Sentinel-2's numbers are reflectance x 10000, and 1000 more from baseline 04.00 on.
_SCALE, _OFFSET = 1e-4, -0.1
#: Ends of names of files that are documents of a catalogue.
_ENDINGS = ('.json', '.geojson')


class ItemBand(NamedTuple):
    """Describe where a band of an item is.

    Args:
        file: As GDAL opens it.
        number: Of the band in the file, from 1.
        scale: A reflectance is number x scale + offset; None: the item does not say it.
        offset: See ``scale``.
        system: Coordinate system by authority and code, ``EPSG:32633``; '' where it is not said.
        transform: Of the pixels of the file, in the order of STAC: pixel width, 0, west, 0, minus
            pixel height, north; () where it is not said.
    """

    file: str
    number: int
    scale: float | None = None
    offset: float | None = None
    system: str = ''
    transform: tuple[float, ...] = ()


def is_item(name: str) -> bool:
    """Return whether an input is named as a catalogue's item, in ``.json``."""
    path = urlsplit(name).path if '://' in name else name
    return path.lower().endswith(_ENDINGS)


def _read_text(name: str) -> str:
    if not is_remote(name):
        file = Path(name)
        if not file.is_file():
            raise LayoutError(f'{name} is missing. Expected an item of a STAC catalogue (JSON).')
        return file.read_text(encoding='utf-8')
    gdal, _ = gdal_modules()
    use_network()
    path = gdal_path(name)

    def fetch() -> bytes:
        about = gdal.VSIStatL(path)
        stream = gdal.VSIFOpenL(path, 'rb') if about is not None else None
        if stream is None:
            raise RuntimeError(ask_why(path))
        try:
            data = bytes(gdal.VSIFReadL(1, about.size, stream) or b'')
        finally:
            gdal.VSIFCloseL(stream)
        if len(data) != about.size:
            raise RuntimeError(f'transfer ended after {len(data)} of {about.size} bytes')
        return data

    try:
        return call_again(fetch).decode('utf-8')
    except GDAL_ERRORS as error:
        raise explain_failure(name, str(error)) from error


def read_item(name: str) -> Any:
    """Read an item.

    Args:
        name: A JSON file, or its address.

    Returns:
        pystac.Item: With the addresses of its files made absolute.

    Raises:
        ConfigError: ``pystac`` is not installed, or it is no item.
        LayoutError: The file is missing.
        RasterError: The address cannot be read.
    """
    try:
        import pystac
    except ImportError as error:
        raise ConfigError(
            f"{name} is read by pystac, which is not installed: pip install 'swimdiff[maps]'"
        ) from error
    text = _read_text(name)
    try:
        content = json.loads(text)
        if content.get('type') != 'Feature':
            kind = content.get('type', 'nothing that says its type')
            raise ConfigError(
                f'{name}: expected one STAC item ("type": "Feature"), found {kind}. Save the '
                'items of a search one by one, and list them.'
            )
        item = pystac.Item.from_dict(content)
    except (ValueError, KeyError, AttributeError, TypeError, pystac.STACError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f'{name} is no STAC item: {type(error).__name__}: {error}.') from error
    for asset in item.assets.values():
        asset.href = _make_absolute(asset.href, name)
    return item


def _make_absolute(href: str, base: str) -> str:
    if '://' in href or href.startswith('/'):
        return href
    return urljoin(base, href) if '://' in base else str(Path(base).absolute().parent / href)


def _names_of(band: str) -> list[str]:
    """Return all names that a band may have in a catalogue, in lower case, best first."""
    names = [band]
    if band in SENTINEL2:
        names += [f'B{band[1:].lstrip("0")}', COMMON_NAMES[band], *_ALIASES.get(band, ())]
    return [name.lower() for name in names]


def _list_bands(item: Any) -> Iterator[tuple[str, int, list[str]]]:
    """Yield asset, number and names of every band of every file of data.

    Names are in order of their weight: the band's own name, its common name, the asset's key.
    """
    for key, asset in item.assets.items():
        roles = set(asset.roles or ())
        kind = (asset.media_type or '').lower()
        if roles & {'thumbnail', 'overview', 'metadata'} or 'json' in kind or 'xml' in kind:
            continue
        extra = asset.extra_fields
        bands = extra.get('eo:bands') or extra.get('bands') or [{}]
        for number, about in enumerate(bands, 1):
            common = about.get('common_name') or about.get('eo:common_name')
            names = [about.get('name'), common, key if len(bands) == 1 else None]
            yield key, number, [str(name).lower() for name in names if name]


def choose_assets(item: Any, bands: Sequence[str], source: str) -> dict[str, ItemBand]:
    """Choose the file of each band.

    The name of a band counts more than its common name, and that more than the key of the asset;
    of files with the same band in several resolutions or formats, a Cloud-Optimised GeoTIFF with
    the finest pixels is chosen.

    Args:
        item: The item.
        bands: Canonical names, ``B04``; or of another sensor as the catalogue has them.
        source: Name of the item for messages.

    Raises:
        BandError: The item has no such band; the message lists those that it has.
    """
    listed_bands = list(_list_bands(item))
    item_bands, missing_bands = {}, []
    for band in bands:
        wanted_names = _names_of(band)
        fits = [
            (min(wanted_names.index(name) for name in names if name in wanted_names), key, number)
            for key, number, names in listed_bands
            if any(name in wanted_names for name in names)
        ]
        if not fits:
            missing_bands.append(band)
            continue
        _, key, number = min(fits, key=lambda fit: (fit[0], _rank(item.assets[fit[1]])))
        asset = item.assets[key]
        item_bands[band] = ItemBand(
            gdal_path(asset.href),
            number,
            *_find_scaling(item, asset, number, band),
            *_find_place(item, asset),
        )
    if missing_bands:
        band_names = sorted({names[0] for _, _, names in listed_bands if names})
        raise BandError(
            f'{source}: the item {item.id} has no band {", ".join(missing_bands)}. It has: '
            f'{", ".join(band_names) or "none"}. Choose an item of the sensor that the model was '
            'trained on.'
        )
    return item_bands


def _find_scaling(
    item: Any, asset: Any, number: int, band: str
) -> tuple[float | None, float | None]:
    """Return scale and offset of a band, None where nothing says them.

    A catalogue that says that it took the offset off the pixels is believed before scale and
    offset: Earth Search keeps the product's offset there all the same.
    """
    extra, properties = asset.extra_fields, item.properties
    band_entries = extra.get('raster:bands') or []
    about = dict(band_entries[number - 1]) if len(band_entries) >= number else {}
    band_entries = extra.get('bands') or []
    own = band_entries[number - 1] if len(band_entries) >= number else {}
    for name in ('scale', 'offset'):
        for place in (own, extra):
            if about.get(name) is None and place.get(f'raster:{name}') is not None:
                about[name] = place[f'raster:{name}']
    scale, offset = about.get('scale'), about.get('offset')
    if any(properties.get(name) is True for name in _TAKEN_OFF):
        return (scale or _SCALE), 0.0
    baseline = next((properties[name] for name in _BASELINES if name in properties), None)
    if offset is None and band in SENTINEL2 and _ADDS.match(str(baseline)):
        return (scale or _SCALE), _OFFSET
    return scale, offset


def _find_place(item: Any, asset: Any) -> tuple[str, tuple[float, ...]]:
    """Return coordinate system and transform that an item states for a file."""

    def find(name: str) -> Any:
        value = asset.extra_fields.get(name)
        return item.properties.get(name) if value is None else value

    code, number = find('proj:code'), find('proj:epsg')
    system = code or (f'EPSG:{number}' if number else '')
    return str(system), tuple(float(value) for value in find('proj:transform') or ())


def _rank(asset: Any) -> tuple[bool, float]:
    """Return what is less for a better file: cloud-optimised ones, finer pixels."""
    extra = asset.extra_fields
    raster = (extra.get('raster:bands') or extra.get('bands') or [{}])[0]
    size = extra.get('gsd') or raster.get('spatial_resolution') or extra.get('proj:transform', [0])
    size = size[0] if isinstance(size, list) else size
    return 'cloud-optimized' not in (asset.media_type or ''), abs(float(size or 0))

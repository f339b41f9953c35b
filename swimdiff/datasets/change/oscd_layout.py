"""Where the files of OSCD are (Caye Daudt et al., IGARSS 2018), official layout or merged."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from swimdiff.datasets.cuts import name_cut
from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError

__all__ = [
    'LAYOUT',
    'band_file',
    'choose_cities',
    'find_images',
    'find_mask',
    'grid_file',
    'name_split',
]

_PREFIX = 'Onera Satellite Change Detection dataset - '

LAYOUT = f"""  {{data_root}}/{_PREFIX}Images/{{city}}/imgs_1/*_B01.tif ... *_B12.tif
                                                              imgs_2/...
                                                       train.txt, test.txt   cities, commas between
              {_PREFIX}Train Labels/{{city}}/cm/{{city}}-cm.tif, cm.png
              {_PREFIX}Test Labels/...   (only for scores on the test cities)
or everything of a city in {{data_root}}/{{city}}/.
Get it from IEEE DataPort (doi 10.21227/asqe-7s69) or the authors' page, rcdaudt.github.io/oscd."""


def find_images(data_root: str | Path) -> Path:
    """Return the folder with the city folders.

    Args:
        data_root: The folder that holds the images' and the labels' folders, or merged cities.

    Raises:
        DatasetNotFoundError: It is not there.
        LayoutError: It holds no city.
    """
    root = Path(data_root).expanduser()
    if not root.is_dir():
        raise DatasetNotFoundError(
            f'OSCD: no folder {root.absolute()}. Expected\n{LAYOUT}\nThen set data_root, or link '
            'the folder there.'
        )
    for folder in (root / f'{_PREFIX}Images', root):
        if folder.is_dir() and any(folder.glob('*/imgs_1')):
            return folder
    entries = sorted(path.name for path in root.iterdir())[:10]
    raise LayoutError(
        f'OSCD: no {{city}}/imgs_1 in {root.absolute()}; it holds {entries}. Expected\n{LAYOUT}'
    )


def _split_file(images: Path, split: str) -> list[str]:
    path = images / f'{split}.txt'
    if not path.is_file():
        raise LayoutError(
            f'OSCD: {path} is missing. Expected the cities of the split {split!r}, commas between; '
            'or name them in the config: cities=[...].'
        )
    return [city for city in re.split(r'[,\s]+', path.read_text()) if city]


def choose_cities(images: Path, split: str, cities: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the cities of a split.

    Args:
        images: Folder with the city folders.
        split: Name of the split; ``train`` and ``test`` have files of their own.
        cities: The cities, or a file that lists them; None for the file of the split.

    Raises:
        ConfigError: A city that is not there or named twice.
        LayoutError: No split file, or no city in it.
    """
    if cities is None:
        names = _split_file(images, split)
    elif isinstance(cities, str):
        names = _split_file(Path(cities).parent, Path(cities).stem)
    else:
        names = list(cities)
    if not names:
        raise LayoutError(
            f'OSCD: the split {split!r} is empty: no city in '
            f'{"cities=[]" if cities is not None else images / f"{split}.txt"}.'
        )
    known_cities = sorted(path.parent.name for path in images.glob('*/imgs_1'))
    for name in names:
        if name not in known_cities:
            near = difflib.get_close_matches(name, known_cities, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else '.'
            raise ConfigError(
                f'OSCD: no city {name!r} in {images}{hint} There are {", ".join(known_cities)}.'
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f'OSCD: cities named twice in the split {split!r}: {", ".join(twice)}.')
    return tuple(names)


def name_split(images: Path, split: str, cities: Sequence[str]) -> str:
    """Return the name that scores over some cities carry.

    Args:
        images: Folder with the city folders.
        split: Name of the split in the config.
        cities: The cities that are used.

    Returns:
        The name; ``test-cut3of10`` for some of the cities in the file of the split, and
        ``test-own3`` where others are among them.
    """
    if not (images / f'{split}.txt').is_file():
        return split
    official = set(_split_file(images, split))
    if set(cities) <= official:
        return name_cut(split, len(cities), len(official))
    return f'{split}-own{len(cities)}'


def band_file(folder: Path, band: str) -> Path:
    """Return the file of one band of one date.

    Args:
        folder: ``{city}/imgs_1`` and the like.
        band: Canonical name.

    Raises:
        LayoutError: The folder or the band is missing, or the band is there twice.
    """
    if not folder.is_dir():
        raise LayoutError(
            f'OSCD: {folder} is missing. Expected the bands of a date; unpack the images again'
            f'{", or set rect=False" if folder.name.endswith("_rect") else ""}.'
        )
    files = sorted({*folder.glob(f'*_{band}.tif'), *folder.glob(f'{band}.tif')})
    if len(files) == 1:
        return files[0]
    present = sorted({path.stem[-3:] for path in folder.glob('*.tif')})
    raise LayoutError(
        f'OSCD: {len(files) or "no"} files *_{band}.tif in {folder}; expected one. Bands there: '
        f'{", ".join(present) or "none"}. Unpack the images again, or leave the band out of bands.'
    )


def grid_file(folder: Path) -> Path:
    """Return a 10 m band of the date, whose pixels are those of the mask.

    Raises:
        LayoutError: There is none.
    """
    for band in ('B04', 'B03', 'B02', 'B08'):
        files = sorted({*folder.glob(f'*_{band}.tif'), *folder.glob(f'{band}.tif')})
        if files:
            return files[0]
    return band_file(folder, 'B04')


def find_mask(data_root: str | Path, city: str) -> Path | None:
    """Return the mask of a city, the GeoTIFF before the picture, or None.

    Args:
        data_root: Folder with the parts of the data set.
        city: Name of the folder of the city.
    """
    root = Path(data_root).expanduser()
    for folder in (root / f'{_PREFIX}Train Labels', root / f'{_PREFIX}Test Labels', root):
        for name in (f'{city}-cm.tif', 'cm.png'):
            path = folder / city / 'cm' / name
            if path.is_file():
                return path
    return None

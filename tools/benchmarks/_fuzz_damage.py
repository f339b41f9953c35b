"""Damages for fuzz_readers.py: what happens to files, names and folders in real life, seeded."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from osgeo import gdal
from PIL import Image

__all__ = ['DAMAGES', 'Damage', 'is_raster', 'read_alone']

#: Takes the root, a file or folder in it, and a random generator; returns what it did in words, or
#: None where it does not apply to that file.
Damage = Callable[[Path, Path, random.Random], 'str | None']


def is_raster(path: Path) -> bool:
    """Tell by its name whether a file holds pixels."""
    return path.suffix.lower() in ('.tif', '.jpg', '.png')


def read_alone(path: Path) -> np.ndarray | None:
    """Read all pixels with GDAL alone; None where it says that the file is damaged."""
    gdal.UseExceptions()
    try:
        file = gdal.Open(str(path))
        pixels = None if file is None else file.ReadAsArray()
    except RuntimeError:
        return None
    return pixels


def _change_bytes(path: Path, change: Callable[[bytearray], object]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def flip(root: Path, path: Path, rng: random.Random) -> str | None:
    """Flip bits of a few bytes anywhere."""

    def change(data: bytearray) -> None:
        for _ in range(rng.randint(1, 16)):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)

    if not path.stat().st_size:
        return None
    _change_bytes(path, change)
    return 'bits flipped'


def flip_header(root: Path, path: Path, rng: random.Random) -> str | None:
    """Flip bits near the beginning, where sizes and types are written."""

    def change(data: bytearray) -> None:
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(min(len(data), 300))] ^= rng.randrange(1, 256)

    if not path.stat().st_size:
        return None
    _change_bytes(path, change)
    return 'bits flipped in the first 300 bytes'


def zeros(root: Path, path: Path, rng: random.Random) -> str:
    """Overwrite a block with zeros, as a broken copy leaves it."""
    size = path.stat().st_size
    start = rng.randrange(max(size, 1))
    length = rng.randint(1, max(size // 2, 1))
    _change_bytes(path, lambda data: data.__setitem__(slice(start, start + length), bytes(length)))
    os.truncate(path, size)
    return f'{length} bytes from {start} zeroed'


def truncate(root: Path, path: Path, rng: random.Random) -> str:
    """Cut the end off."""
    size = rng.randrange(max(path.stat().st_size, 1))
    os.truncate(path, size)
    return f'cut to {size} bytes'


def empty(root: Path, path: Path, rng: random.Random) -> str:
    """Leave nothing."""
    os.truncate(path, 0)
    return 'emptied'


def replace_by_text(root: Path, path: Path, rng: random.Random) -> str:
    """Put an error page of a server in its place."""
    path.write_text('<html><body>404 Not Found</body></html>\n')
    return 'replaced by a web page'


def replace_by_folder(root: Path, path: Path, rng: random.Random) -> str:
    """Put a folder in its place."""
    path.unlink()
    path.mkdir()
    return 'replaced by a folder'


def replace_by_link(root: Path, path: Path, rng: random.Random) -> str:
    """Put a link to nothing in its place."""
    path.unlink()
    path.symlink_to(path.with_name('gone'))
    return 'replaced by a dangling link'


def _rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Write a whole raster of the same format with other pixels; C x H x W in and out."""
    if not is_raster(path):
        return False
    if path.suffix != '.tif':
        pixels = np.asarray(Image.open(path))
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        new_planes = change(planes)
        picture = new_planes[0] if len(new_planes) == 1 else new_planes.transpose(1, 2, 0)
        if picture.dtype != np.uint8 or (picture.ndim == 3 and picture.shape[2] not in (3, 4)):
            return False
        if path.suffix == '.jpg' and picture.ndim == 3 and picture.shape[2] == 4:
            return False
        Image.fromarray(np.ascontiguousarray(picture)).save(path)
        return True
    source = gdal.Open(str(path))
    planes = source.ReadAsArray()
    new_planes = change(planes if planes.ndim == 3 else planes[None])
    kinds = dict(uint8=gdal.GDT_Byte, uint16=gdal.GDT_UInt16, float32=gdal.GDT_Float32)
    target = gdal.GetDriverByName('GTiff').Create(
        str(path.with_suffix('.new')),
        new_planes.shape[2],
        new_planes.shape[1],
        new_planes.shape[0],
        kinds[new_planes.dtype.name],
    )
    target.SetProjection(source.GetProjection())
    target.SetGeoTransform(source.GetGeoTransform())
    for number, plane in enumerate(new_planes, 1):
        target.GetRasterBand(number).WriteArray(plane)
        if number <= source.RasterCount:
            name = source.GetRasterBand(number).GetDescription()
            target.GetRasterBand(number).SetDescription(name)
    target.FlushCache()
    del target, source
    os.replace(path.with_suffix('.new'), path)
    return True


def resize(root: Path, path: Path, rng: random.Random) -> str | None:
    """Write fewer rows or columns."""
    rows, columns = rng.randint(0, 9), rng.randint(1, 9)
    is_rewritten = _rewrite(
        path, lambda p: p[:, : max(p.shape[1] - rows, 1), : max(p.shape[2] - columns, 1)]
    )
    return f'{rows} rows and {columns} columns fewer' if is_rewritten else None


def retype(root: Path, path: Path, rng: random.Random) -> str | None:
    """Write the same numbers in another type."""
    names: list[str] = []

    def change(planes: np.ndarray) -> np.ndarray:
        others = [t for t in ('uint8', 'uint16', 'float32') if t != planes.dtype.name]
        names.append(rng.choice(others))
        return planes.astype(names[0])

    return f'written as {names[0]}' if _rewrite(path, change) else None


def change_bands(root: Path, path: Path, rng: random.Random) -> str | None:
    """Write one band more, or one fewer."""
    more = rng.random() < 0.5

    def change(planes: np.ndarray) -> np.ndarray:
        return np.concatenate([planes, planes[:1]]) if more or len(planes) == 1 else planes[:-1]

    return f'one band {"more" if more else "fewer"}' if _rewrite(path, change) else None


def remove(root: Path, path: Path, rng: random.Random) -> str:
    """Delete a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return 'removed'


def rename(root: Path, path: Path, rng: random.Random) -> str:
    """Give a file or folder another name."""
    stem, suffix = path.stem, path.suffix
    name = rng.choice(
        [
            f'{path.name}.bak',
            f'{stem}_old{suffix}',
            path.name.swapcase(),
            f'.{path.name}',
            f'ü {stem}',
        ]
    )
    path.rename(path.with_name(name))
    return f'renamed to {name}'


def double(root: Path, path: Path, rng: random.Random) -> str:
    """Copy a file or folder beside itself, as a file manager does."""
    name = rng.choice([f'{path.stem} (1){path.suffix}', f'{path.stem} - Copy{path.suffix}'])
    copy = shutil.copytree if path.is_dir() else shutil.copyfile
    copy(path, path.with_name(name))
    return f'doubled as {name}'


def add_stray(root: Path, path: Path, rng: random.Random) -> str:
    """Put a file beside it that belongs to nothing, one with a name that is no UTF-8 too."""
    folder = os.fsencode(path.parent)
    name = rng.choice(
        [b'.DS_Store', b'Thumbs.db', b'notes.txt', b'caf\xe9' + os.fsencode(path.suffix)]
    )
    with open(os.path.join(folder, name), 'wb') as file:
        file.write(b'\x00\x01\x02 stray')
    return f'{name!r} added beside it'


#: Damages to the content of a file, and to the tree (files and folders).
DAMAGES: dict[str, tuple[Damage, str]] = {
    **{
        damage.__name__: (damage, 'content')
        for damage in (
            *(flip, flip_header, zeros, truncate, empty, replace_by_text, replace_by_folder),
            *(replace_by_link, resize, retype, change_bands),
        )
    },
    **{damage.__name__: (damage, 'tree') for damage in (remove, rename, double, add_stray)},
}

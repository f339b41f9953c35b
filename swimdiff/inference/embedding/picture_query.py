"""A picture as a query: a crop of a raster, or a photograph-like picture of the three colours."""

from pathlib import Path

import numpy as np

from swimdiff.bands import RGB
from swimdiff.datasets.pictures import PICTURE_SUFFIXES, read_picture
from swimdiff.datasets.rasters import SUFFIXES, RasterOptions
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError, RasterError
from swimdiff.inference.embedding.cells import CellGrid
from swimdiff.inference.embedding.embedder import Embedder
from swimdiff.inference.embedding.reading import PatchReader
from swimdiff.inference.embedding.scenes import list_scenes, open_files
from swimdiff.interop.inputs import STRETCHED

__all__ = ['embed_picture']

#: Pixels along a side of a picture that is taken as one.
_MOST = 2048


def embed_picture(
    embedder: Embedder,
    path: str | Path,
    unit: str | None = None,
    options: RasterOptions | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Embed a picture as a whole.

    Its pixels should be as large on the ground as those of the scenes that are searched: cut what
    is looked for out of a larger picture first.

    Args:
        embedder: The backbone that made the table.
        path: A GeoTIFF, JPEG 2000 or VRT with the bands of the backbone, of which the square in the
            middle is taken; or a JPEG or PNG, if the backbone takes red, green and blue.
        unit: Of the pixels of a raster, see :meth:`Embedder.choose_unit`.
        options: How the bands of a raster are recognised.

    Returns:
        The vector, D float32, and H x W x 3 pixels to look at.

    Raises:
        DatasetNotFoundError: The file is not there.
        BandError: A picture of three colours, and the backbone takes other bands.
        DataError: It cannot be read.
    """
    file = Path(path).expanduser()
    if file.suffix.lower() in SUFFIXES:
        return _embed_raster(embedder, file, unit, options or RasterOptions())
    if not file.is_file():
        raise DatasetNotFoundError(f'{file.absolute()} does not exist. Expected a picture.')
    if file.suffix.lower() not in PICTURE_SUFFIXES:
        raise RasterError(
            f'{file} is no picture that is read here. Expected '
            f'{", ".join(dict.fromkeys((*SUFFIXES, *PICTURE_SUFFIXES)))}.'
        )
    if not set(embedder.bands) <= set(RGB):
        raise BandError(
            f'{file} has red, green and blue alone, and the backbone takes '
            f'{", ".join(embedder.bands)}. Expected a raster with these bands.'
        )
    pixels = read_picture(file)  # H x W x 3
    vector = embedder.embed(pixels.transpose(2, 0, 1), RGB, STRETCHED)
    return vector, pixels


def _embed_raster(
    embedder: Embedder, file: Path, unit: str | None, options: RasterOptions
) -> tuple[np.ndarray, np.ndarray]:
    scenes = list_scenes([str(file)], embedder.bands, options)
    scene = open_files(scenes[0], embedder.bands, options)
    pixel = CellGrid.lay(scene, 1, 1)
    side = min(pixel.rows, pixel.columns)
    if side > _MOST:
        raise ConfigError(
            f'{file} has {pixel.columns} x {pixel.rows} pixels. Expected a picture of what is '
            f'looked for, at most {_MOST} a side: cut it out (gdal_translate -srcwin), or search '
            'at a place of the table (--like LON LAT).'
        )
    # A grid of single steps: its cell in the middle is the square in the middle.
    reader = PatchReader.open(scenes[0], embedder, side, 1, unit, options)
    middle = np.array([reader.grid.rows // 2]), np.array([reader.grid.columns // 2])
    images = reader.read(*middle).images
    if not len(images):
        raise RasterError(f'{file} has too little data. Expected a picture with data.')
    three = images[0, :3] if images.shape[1] >= 3 else images[0, [0, 0, 0]]
    if set(RGB) <= set(embedder.bands):
        three = images[0, [embedder.bands.index(band) for band in RGB]]
    return embedder.embed_stretched(images)[0], three.transpose(1, 2, 0)

"""Small pictures on the grid of a map: the imagery it was made from, and the map itself."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    gdal_modules,
    open_raster,
    raster_failure,
    read_band,
)
from swimdiff.errors import BandError, RasterError
from swimdiff.inference.products.written_map import WrittenMap, choose_classes

__all__ = ['Source', 'draw_imagery', 'draw_map', 'shrink_size']

#: Names of red, green and blue in band descriptions and names of files.
_RGB = (('B04', 'B4', 'red'), ('B03', 'B3', 'green'), ('B02', 'B2', 'blue'))


#: A raster: its file, a file per band, or file and number (from 1) of the bands to draw.
Source: TypeAlias = Sequence[str] | Sequence[tuple[str, int]]


@dataclass(frozen=True)
class _Imagery:
    """Pixels of a raster on the shrunken grid of a map.

    Args:
        pixels: H x W x 3 float32, values of the file.
        valid: H x W bool, where there is data.
    """

    pixels: np.ndarray
    valid: np.ndarray


def shrink_size(made: WrittenMap, edge: int) -> tuple[int, int]:
    """Return width and height of a map's picture, at most ``edge`` pixels a side.

    Args:
        made: The map.
        edge: Most pixels of a side.
    """
    factor = min(1.0, edge / max(made.width, made.height))
    return max(1, round(made.width * factor)), max(1, round(made.height * factor))


def _read_values(made: WrittenMap, size: tuple[int, int]) -> np.ndarray:
    """Read a map at a reduced size; each pixel is one of the map, nothing is mixed."""
    dataset = open_raster(str(made.path))
    try:
        return read_band(dataset.GetRasterBand(1), size=size)
    except GDAL_ERRORS as error:
        raise raster_failure(str(made.path), str(error), 'a whole map') from error


def draw_map(made: WrittenMap, size: tuple[int, int], unpainted: Sequence[str] = ()) -> np.ndarray:
    """Draw a map in the colours of its classes.

    Args:
        made: The map.
        size: Width and height wanted.
        unpainted: Names of classes that are left transparent. Defaults to none.

    Returns:
        H x W x 4 uint8: red, green, blue and 255, or 0 where nothing is painted.

    Raises:
        ConfigError: The map has no such class.
        RasterError: The map cannot be read.
    """
    table = np.zeros((256, 4), np.uint8)
    for one in made.classes:
        table[one.value] = (*one.colour, 255)
    for one in choose_classes(made, unpainted):
        table[one.value, 3] = 0
    return table[_read_values(made, size)]


def _find_by_name(files: Sequence[str], names: Sequence[str]) -> tuple[str, int] | None:
    """Return file and number of a band that one of these names is written at."""
    wanted_names = {name.lower() for name in names}
    for file in files:
        dataset = open_raster(file)
        for number in range(1, dataset.RasterCount + 1):
            if dataset.GetRasterBand(number).GetDescription().strip().lower() in wanted_names:
                return file, number
    for file in files:
        stem = os.path.splitext(os.path.basename(file))[0].lower()
        if wanted_names & set(re.split(r'[_\-. ]', stem)) and open_raster(file).RasterCount == 1:
            return file, 1
    return None


def _choose_bands(source: Source, bands: Sequence[str] | None) -> list[tuple[str, int]]:
    """Return three bands for red, green and blue; one band three times is grey."""
    known_bands = [one for one in source if not isinstance(one, str)]
    if known_bands:
        return known_bands[:3] if len(known_bands) > 2 else known_bands[:1] * 3
    files = [one for one in source if isinstance(one, str)]
    if bands is not None:
        channels = [_find_by_name(files, [name]) for name in bands]
        missing_names = [name for name, band in zip(bands, channels, strict=True) if band is None]
        if missing_names:
            raise BandError(
                f'{", ".join(files)}: no band is described as {", ".join(missing_names)} (see '
                'gdalinfo). Name one or three bands that the rasters have.'
            )
    else:
        channels = [_find_by_name(files, names) for names in _RGB]
        if None in channels:
            every = [
                (file, number)
                for file in files
                for number in range(1, open_raster(file).RasterCount + 1)
            ]
            channels = list(every[:3] if len(every) > 2 else every[:1])
    chosen_bands = [band for band in channels if band is not None]
    return chosen_bands if len(chosen_bands) == 3 else [chosen_bands[0]] * 3


def _make_target(made: WrittenMap, size: tuple[int, int]) -> Any:
    """Make an empty raster in memory: a band and its mask on the shrunken grid."""
    gdal, _ = gdal_modules()
    target = gdal.GetDriverByName('MEM').Create('', *size, 2, gdal.GDT_Float32)
    assert made.transform is not None
    x0, dx, rx, y0, ry, dy = made.transform
    across, down = made.width / size[0], made.height / size[1]
    target.SetGeoTransform((x0, dx * across, rx * down, y0, ry * across, dy * down))
    target.SetProjection(made.crs)
    target.GetRasterBand(2).SetColorInterpretation(gdal.GCI_AlphaBand)
    return target


def _read_band(
    made: WrittenMap, file: str, number: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Read one band onto the shrunken grid: averages, and where there is data."""
    gdal, _ = gdal_modules()
    source = open_raster(file)
    if not made.crs:
        if (source.RasterXSize, source.RasterYSize) != (made.width, made.height):
            raise RasterError(
                f'{file} and {made.path} have no common coordinate system and other sizes; a '
                'picture cannot be laid under the map. Name the rasters that the map was made of.'
            )
        band = source.GetRasterBand(number)
        return read_band(band, size=size), read_band(band.GetMaskBand(), size=size) > 0
    alone = gdal.Translate('', source, format='VRT', bandList=[number])
    target = _make_target(made, size)
    gdal.Warp(target, alone, resampleAlg='average', dstAlpha=True, multithread=False)
    return read_band(target.GetRasterBand(1)), read_band(target.GetRasterBand(2)) > 0


def _read_imagery(
    made: WrittenMap, source: Source, size: tuple[int, int], bands: Sequence[str] | None
) -> _Imagery:
    """Read the imagery of one date onto the shrunken grid of a map."""
    first = source[0] if isinstance(source[0], str) else source[0][0]
    try:
        chosen_bands = _choose_bands(source, bands)
        planes = {band: _read_band(made, *band, size) for band in dict.fromkeys(chosen_bands)}
    except GDAL_ERRORS as error:
        raise raster_failure(first, str(error), 'imagery of the map') from error
    valid = np.logical_and.reduce([mask for _, mask in planes.values()])
    if not valid.any():
        raise RasterError(
            f'{first} holds no pixels where {made.path} lies. Name the rasters that the map was '
            'made of.'
        )
    return _Imagery(
        np.stack([planes[band][0] for band in chosen_bands], 2).astype(np.float32), valid
    )


def draw_imagery(
    made: WrittenMap,
    sources: Sequence[Source],
    size: tuple[int, int],
    bands: Sequence[str] | None = None,
) -> list[np.ndarray]:
    """Draw the imagery of some dates on the shrunken grid of a map, to compare.

    Overviews of the files are used where they have some. One stretch serves all dates, from the 2nd
    to the 98th percentile of all.

    Args:
        made: The map.
        sources: Per date one raster of several bands, or a file per band, named as GDAL reads them;
            or one or three bands as file and number.
        size: Width and height wanted.
        bands: Names of one or three bands. Defaults to None: red, green and blue where the
            descriptions or the names of the files tell, otherwise the first three, or the first.

    Returns:
        H x W x 3 uint8 for each date; mid-grey where there is no data.

    Raises:
        BandError: There is no such band.
        RasterError: A file cannot be read, or does not lie where the map lies.
    """
    images = [_read_imagery(made, source, size, bands) for source in sources]
    if not images:
        return []
    pixels = np.concatenate([image.pixels[image.valid] for image in images])
    low, high = np.percentile(pixels, (2, 98), axis=0)
    pictures = []
    for image in images:
        scaled_pixels = (image.pixels - low) / np.maximum(high - low, 1e-6)
        picture = (scaled_pixels.clip(0, 1) * 255).round().astype(np.uint8)
        picture[~image.valid] = 128
        pictures.append(picture)
    return pictures

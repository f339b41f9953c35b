"""Opening the rasters that a list names: images with their bands by name, and masks."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import ProductStats
from swimdiff.bands.units import UNITS, convert_pixels
from swimdiff.datasets.geo import GDAL_ERRORS, gdal_modules
from swimdiff.datasets.labels.layers import Layer, explain_failure, read_grid
from swimdiff.datasets.rasters import BandNames, RasterOptions, RasterTree, find_scenes
from swimdiff.datasets.rasters.offsets import find_declared, find_offset
from swimdiff.datasets.rasters.reading import opened
from swimdiff.errors import BandError, ConfigError, LayoutError, RasterError

__all__ = ['check_unit', 'open_image', 'open_mask', 'stretch_pixels']

#: What the 98 % quantile of reflectance can be, as for archives; snow and cloud within.
_BRIGHT = (0.026, 2.0)
#: Pixels along a side that the range of an image is judged by.
_LOOK = 256


def _open(path: str) -> Any:
    try:
        return opened(path)
    except (LayoutError, RasterError) as error:
        raise explain_failure(path, str(error.__cause__ or error)) from error


def open_image(
    path: str,
    bands: Sequence[str],
    file_bands: Sequence[str] | None,
    unit: str | None = None,
    offset: int | None = None,
) -> Layer:
    """Open a raster with its bands by name.

    Args:
        path: One file with all bands; or a folder with one file per band, named as those of a
            Sentinel-2 product (``..._B04.jp2``), which are laid onto the pixels of the finest.
        bands: Bands wanted, in the order of the channels.
        file_bands: Names of the bands of a file in their order; None: the descriptions in the file
            name them.
        unit: What the files hold. With ``reflectance x 10000`` the 1000 that newer Sentinel-2
            products (``..._N0400_...`` and later) add to their numbers are taken off.
        offset: What is taken off instead; None: as the files, the product's metadata or its name
            say.

    Raises:
        LayoutError: The file, or the file of a band, is missing.
        RasterError: It is damaged, has no usable georeference, or nothing says its offset.
        BandError: A band wanted is not there, or nothing says which band is which.
    """
    place = os.path.abspath(path)
    if os.path.isdir(path):
        layer, files = _stack_files(path, bands)
        pixels = [file.GetRasterBand(1) for file in files]
        return replace(layer, offset=find_offset(place, unit, find_declared(pixels), offset))
    dataset = _open(path)
    channels = _find_channels(path, dataset, bands, file_bands)
    image_layer = _make_layer(path, path, dataset, channels)
    pixels = [dataset.GetRasterBand(number) for number in channels]
    return replace(image_layer, offset=find_offset(place, unit, find_declared(pixels), offset))


def _find_channels(
    path: str, dataset: Any, bands: Sequence[str], file_bands: Sequence[str] | None
) -> tuple[int, ...]:
    """Numbers of the bands wanted, from 1."""
    count = dataset.RasterCount
    if file_bands is not None:
        if len(file_bands) != count:
            raise BandError(
                f'{path} has {count} bands. Expected {len(file_bands)}, as file_bands names them: '
                f'{", ".join(file_bands)}.'
            )
        named_bands = list(file_bands)
    else:
        names = BandNames(bands)
        texts = [dataset.GetRasterBand(n).GetDescription() for n in range(1, count + 1)]
        named_bands = [names.of_text(text) if text else '' for text in texts]
        if not any(named_bands):
            raise BandError(
                f'{path} does not say which bands its {count} are: they have no descriptions. Name '
                "them in their order: file_bands=['B02', 'B03', ...] in the data set."
            )
    missing_bands = [band for band in bands if band not in named_bands]
    if missing_bands:
        raise BandError(
            f'{path} has no {", ".join(missing_bands)}; it has '
            f'{", ".join(filter(None, named_bands))}. Leave the bands out of bands=, or name those '
            'of the file by file_bands=.'
        )
    return tuple(named_bands.index(band) + 1 for band in bands)


def _stack_files(folder: str, bands: Sequence[str]) -> tuple[Layer, list[Any]]:
    """Lay the files of a folder, one per band, onto the pixels of the finest; also the files."""
    tree = RasterTree(Path(folder), BandNames(bands), RasterOptions(patch=1))
    scenes = [scene for scene in find_scenes(tree) if scene.bands]
    if len(scenes) != 1:
        raise LayoutError(
            f'{folder} holds {len(scenes)} scenes of one file per band ({_name(scenes)}). Expected '
            'one, with files such as ..._B04.tif ..._B08.tif.'
        )
    files = scenes[0].bands
    missing_bands = [band for band in bands if band not in files]
    if missing_bands:
        raise BandError(
            f'{folder} has no {", ".join(missing_bands)}; it has {", ".join(files)}. Leave the '
            'bands out of bands=, or complete the folder.'
        )
    paths = [os.path.join(folder, files[band]) for band in bands]
    files_opened = [_open(path) for path in paths]
    for path, file in zip(paths, files_opened, strict=True):
        read_grid(path, file)
    gdal, _ = gdal_modules()
    try:
        stacked_dataset = gdal.BuildVRT(
            '', paths, separate=True, resolution='highest', resampleAlg='bilinear', strict=True
        )
        text = stacked_dataset.GetMetadata('xml:VRT')[0]
    except GDAL_ERRORS as error:
        raise RasterError(
            f'{folder}: its bands do not fit onto one grid: {error}. Expected files of one '
            'coordinate system.'
        ) from error
    return _make_layer(folder, text, stacked_dataset, tuple(range(1, len(bands) + 1))), files_opened


def _name(scenes: Sequence[Any]) -> str:
    return ', '.join(scene.path for scene in scenes[:5]) or 'none'


def open_mask(path: str) -> Layer:
    """Open a mask raster: the first band, a class number per pixel.

    Raises:
        LayoutError: The file is missing.
        RasterError: It is damaged, has no georeference, or holds fractions.
    """
    dataset = _open(path)
    layer = _make_layer(path, path, dataset, (1,))
    if layer.dtype.startswith(('Float', 'CF', 'CI')):
        raise RasterError(
            f'{path} holds pixels of type {layer.dtype}. Expected class numbers: gdal_translate '
            '-ot Byte IN OUT keeps whole numbers up to 255 as they are.'
        )
    return layer


def _make_layer(path: str, source: str, dataset: Any, channels: tuple[int, ...]) -> Layer:
    gdal, _ = gdal_modules()
    bands = [dataset.GetRasterBand(number) for number in channels]
    flags = bands[0].GetMaskFlags()
    alpha = [
        number
        for number in range(1, dataset.RasterCount + 1)
        if dataset.GetRasterBand(number).GetColorInterpretation() == gdal.GCI_AlphaBand
    ]
    own = bool(flags & gdal.GMF_PER_DATASET) and not set(alpha) & set(channels)
    return Layer(
        path=path,
        source=source,
        channels=channels,
        grid=read_grid(path, dataset),
        nodata=tuple(band.GetNoDataValue() for band in bands),
        dtype=gdal.GetDataTypeName(bands[0].DataType),
        masked=own,
    )


def stretch_pixels(
    planes: np.ndarray, bands: Sequence[str], stats: ProductStats, unit: str
) -> np.ndarray:
    """Stretch each band between its low and high to 0..255; fractions are cut off.

    Args:
        planes: C x H x W, in the unit of the files.
        bands: Names of the C bands.
        stats: Statistics that hold the stretch.
        unit: What the files hold, one of :data:`swimdiff.bands.units.UNITS` or the unit of the
            statistics.

    Returns:
        H x W x C uint8.
    """
    low = np.array(stats.select('low', bands), np.float32)[:, None, None]
    high = np.array(stats.select('high', bands), np.float32)[:, None, None]
    values = convert_pixels(planes, unit, stats)
    stretched_planes = (np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(stretched_planes.transpose(1, 2, 0))


def check_unit(layer: Layer, unit: str, stats: ProductStats, owner: str) -> None:
    """Refuse an image whose pixels are not in the unit of its data set.

    Args:
        layer: The image.
        unit: Unit that the data set states.
        stats: Statistics that stretch it.
        owner: Name of the data set, for messages.

    Raises:
        ConfigError: The unit is neither of reflectance nor that of the statistics.
        RasterError: The values fit another unit.
    """
    if unit not in UNITS:
        if unit != stats.unit:
            raise ConfigError(
                f'{owner}: unit={unit!r}, but the statistics {stats.name!r} are of {stats.unit!r}. '
                f'Expected one of {", ".join(map(repr, UNITS))}, or the unit of the statistics; '
                "with statistics of the files' own unit, set input_statistics='config' at the top "
                'level of the config.'
            )
        return
    height, width = min(_LOOK, layer.grid.height), min(_LOOK, layer.grid.width)
    row, column = (layer.grid.height - height) // 2, (layer.grid.width - width) // 2
    planes, _ = layer.read((row, column, height, width))
    nonzero_values = planes[planes != 0]
    if not nonzero_values.size or (layer.dtype == 'Byte' and unit == 'reflectance x 255'):
        return
    high = float(np.quantile(nonzero_values, 0.98))
    if _BRIGHT[0] * UNITS[unit] <= high <= _BRIGHT[1] * UNITS[unit]:
        return
    fits = [name for name, s in UNITS.items() if _BRIGHT[0] * s <= high <= _BRIGHT[1] * s]
    advice = f'Declare unit={fits[0]!r}' if fits else 'Check how the file was written'
    raise RasterError(
        f'{layer.path}: its pixels are declared as {unit!r}, but the 98 % quantile in its middle '
        f'is {high:g}, a reflectance of {high / UNITS[unit]:.3g}. Expected {_BRIGHT[0]:g} to '
        f"{_BRIGHT[1]:g}. {advice}; 8-bit pictures: stats='pictures', unit='picture, 0 to 255' in "
        "the data set, and input_statistics='config' at the top level of the config."
    )

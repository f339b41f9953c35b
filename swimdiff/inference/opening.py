"""Opening the raster of one date: which files hold the bands, and in which unit they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swimdiff.bands import ProductStats
from swimdiff.bands.units import UNITS, convert_pixels
from swimdiff.datasets.geo import GDAL_ERRORS, call_again, gdal_modules, open_raster, raster_failure
from swimdiff.datasets.index import check_pixels, stretch_table
from swimdiff.datasets.rasters import (
    BandNames,
    FoundScene,
    RasterOptions,
    RasterTree,
    SceneRasters,
    find_scenes,
    open_scene,
)
from swimdiff.errors import BandError, LayoutError, MissingBandsError, RasterError
from swimdiff.inference.grid import Grid

__all__ = ['OpenedDate', 'open_date', 'stretch_date']

#: Unit that pixels of a type can only have.
_UNIT_OF_TYPE = {
    'uint8': 'reflectance x 255',
    'uint16': 'reflectance x 10000',
    'int16': 'reflectance x 10000',
}
#: Largest share of the numbers of a band that an offset may make negative: water is dark.
_MOST_BELOW = 0.5
#: Blocks read along a side of a raster to judge its values, and pixels of their sides.
_BLOCKS, _SIDE = 4, 64


@dataclass(frozen=True)
class OpenedDate:
    """Hold one date whose files are known.

    Args:
        path (str): As it was named.
        root (Path): Folder that the files are relative to.
        scene (SceneRasters): The files of its bands.
        bands (tuple[str, ...]): Bands of the network, in order.
        unit (str, optional): Unit of the pixels; None where they are taken as stored.
    """

    path: str
    root: Path
    scene: SceneRasters
    bands: tuple[str, ...]
    unit: str | None

    @property
    def grid(self) -> Grid:
        """Return the grid of its finest band."""
        band = min((self.scene.bands[name] for name in self.bands), key=lambda band: band.dx)
        return Grid(
            self.scene.system, band.west, band.dx, band.north, band.dy, band.width, band.height
        )


def open_date(
    path: str,
    bands: Sequence[str],
    stats: ProductStats,
    file_bands: Sequence[str] | None = None,
    unit: str | None = None,
    offset: int | None = None,
) -> OpenedDate:
    """Open one date.

    Args:
        path (str): A raster with all bands, or a folder with one file per band.
        bands (Sequence[str]): Bands of the network, canonical, in order.
        stats (ProductStats): Statistics that the network was trained with.
        file_bands (Sequence[str], optional): Names of the bands of the file in their order.
            Defaults to None, as the file describes them.
        unit (str, optional): Unit of the pixels. Defaults to None, found from their type.
        offset (int, optional): What is taken off the numbers of the file. Defaults to None, as
            :func:`swimdiff.datasets.rasters.offsets.find_offset` finds it.

    Raises:
        LayoutError: A file or a band is missing, or the folder holds several scenes.
        BandError: The bands of the file are not known.
        RasterError: A file is damaged, has no georeference, or pixels of another unit.
    """
    given_bands = None if file_bands is None else tuple(file_bands)
    options = RasterOptions(file_bands=given_bands)
    names = BandNames([*bands, *(given_bands or ())])
    root, files = _find_files(Path(path).expanduser(), names, options)
    if not files.bands and given_bands is None:
        _check_descriptions(root / files.path, bands)
    try:
        scene = open_scene(RasterTree(root, names, options), files, bands)
    except MissingBandsError as error:
        raise LayoutError(
            f'{error.fact} The model takes {" ".join(bands)}. Give a raster that has them; where '
            'only its names are wrong, name its bands in their order: --bands NAME ...'
        ) from error
    date = OpenedDate(path, root, scene, tuple(bands), _settle_unit(path, scene, stats, unit))
    # What is added to numbers is known only with their unit.
    if date.unit is not None:
        options = RasterOptions(file_bands=given_bands, unit=date.unit, offset=offset)
        scene = open_scene(RasterTree(root, names, options), files, bands, whole=False)
        date = OpenedDate(path, root, scene, tuple(bands), date.unit)
    if date.unit is not None and scene.dtype != 'uint8':
        _check_values(date, unit is not None, offset is not None)
    return date


def _find_files(path: Path, names: BandNames, options: RasterOptions) -> tuple[Path, FoundScene]:
    """Return the folder that files are relative to, and the scene in it."""
    if not path.is_dir():
        return path.parent, FoundScene(path.name, '', path.stem)
    scenes = [scene for scene in find_scenes(RasterTree(path, names, options)) if not scene.beside]
    if len(scenes) == 1:
        return path, scenes[0]
    scene_names = ', '.join(scene.path for scene in scenes[:4]) or 'no raster'
    raise LayoutError(
        f'{path}: expected one scene (one file with all bands, or one file per band, named like '
        f'NAME_B04.tif); found {len(scenes)}: {scene_names}. Name the file, or the '
        'folder of one scene.'
    )


def _check_descriptions(path: Path, bands: Sequence[str]) -> None:
    """Refuse a file that does not say which bands it has."""
    try:
        dataset = open_raster(str(path))
    except GDAL_ERRORS as error:
        raise raster_failure(str(path), str(error), 'a raster') from error
    numbers = range(1, dataset.RasterCount + 1)
    if not any(dataset.GetRasterBand(number).GetDescription() for number in numbers):
        raise BandError(
            f'{path} does not say which bands its {dataset.RasterCount} are. The model takes '
            f'{" ".join(bands)}. Name the bands of the file in their order: --bands NAME ... '
            '(bands=[...] in Python).'
        )


def _settle_unit(
    path: str, scene: SceneRasters, stats: ProductStats, given: str | None
) -> str | None:
    """Return the unit of the pixels of a date, or refuse their depth."""
    dtype = scene.dtype
    if given is not None:
        units = {name.replace(' ', ''): name for name in UNITS}
        if given.replace(' ', '') not in units:
            raise RasterError(f'unit={given!r}: expected one of {", ".join(map(repr, UNITS))}.')
        return units[given.replace(' ', '')]
    if stats.unit not in UNITS:
        if dtype == 'uint8':
            return None
        raise RasterError(
            f'{path} holds {dtype} pixels. The model was trained on uint8 pixels '
            f'({stats.unit}). Convert with the same stretch as its training data: '
            'gdal_translate -ot Byte -scale LOW HIGH 0 255 IN OUT.'
        )
    if dtype == 'float32':
        return stats.unit if stats.unit != 'reflectance x 255' else 'reflectance'
    unit = _UNIT_OF_TYPE[dtype]
    if dtype == 'uint8' and stats.unit != unit:
        raise RasterError(
            f'{path} holds uint8 pixels. The model was trained on {stats.unit!r}: expected uint16 '
            'as the product has it. If the 8 bits are reflectance x 255, say so: --unit '
            "'reflectance x 255'."
        )
    return unit


def _check_values(date: OpenedDate, is_declared: bool, is_offset_declared: bool) -> None:
    """Refuse pixels whose values are not of the unit or the offset that they are taken for."""
    assert date.unit is not None
    samples = []
    for name in date.bands:
        values = _sample_band(date, name)
        samples.append(values[values != 0])  # zeros are most often no data
        if samples[-1].size and not is_offset_declared:
            _check_offset(date, name, samples[-1])
    sampled_pixels = np.concatenate(samples) - date.scene.offset
    check_pixels(sampled_pixels, date.unit, date.path, '--unit ', is_declared)


def _check_offset(date: OpenedDate, name: str, values: np.ndarray) -> None:
    """Refuse to take an offset off numbers that it was taken off before."""
    offset = date.scene.offset
    below = float((values < offset).mean())
    if below > _MOST_BELOW:
        raise RasterError(
            f'{date.path}: {offset} is taken off its numbers, as its files, its metadata or its '
            f'name says, but {below:.0%} of those looked at of {name} are smaller. It was most '
            f'likely taken off before: say --offset 0 (offset=0 in Python), or --offset {offset} '
            'to have it taken off all the same.'
        )


def _sample_band(date: OpenedDate, name: str) -> np.ndarray:
    """Return the values of a few blocks all over a band, without those that are no data."""
    band = date.scene.bands[name]
    path, gdal = str(date.root / band.file), gdal_modules()[0]
    width, height = min(_SIDE, band.width), min(_SIDE, band.height)
    samples = []
    try:
        dataset = open_raster(path)  # a band does not keep its file open
        source = dataset.GetRasterBand(band.channel)
        for row in np.linspace(0, band.height - height, _BLOCKS).astype(int).tolist():
            for column in np.linspace(0, band.width - width, _BLOCKS).astype(int).tolist():
                window = (column, row, width, height)
                data = call_again(source.ReadRaster, *window, buf_type=gdal.GDT_Float32)
                samples.append(np.frombuffer(data, np.float32))
    except GDAL_ERRORS as error:
        raise raster_failure(path, str(error), 'a whole raster') from error
    values = np.concatenate(samples)
    values = values[np.isfinite(values)]
    return values if band.nodata is None else values[values != np.float32(band.nodata)]


def stretch_date(date: OpenedDate, stats: ProductStats) -> np.ndarray:
    """Return the table that stretches the pixels of a date to 0..255 as in training.

    Args:
        date (OpenedDate): The date.
        stats (ProductStats): Statistics of the training.

    Returns:
        np.ndarray: C x 256 or C x 65,536 uint8, indexed by the bits of a pixel; for float32 C x 2,
        ``low`` and ``high``, see :func:`swimdiff.datasets.index.planes.stretch_table`.
    """
    low, high = (stats.select(column, date.bands) for column in ('low', 'high'))
    kind, offset = np.dtype(date.scene.dtype), date.scene.offset
    if date.unit is None:
        return stretch_table(low, high, kind.name)
    if kind.kind == 'f':
        factor = UNITS[date.unit] / UNITS[stats.unit]
        low, high = (tuple(value * factor + offset for value in end) for end in (low, high))
        return stretch_table(low, high, 'float32')
    values = np.arange(1 << 8 * kind.itemsize).astype(kind).astype(np.float64)
    values = convert_pixels(np.maximum(values - offset, 0) if offset else values, date.unit, stats)
    below, above = np.asarray(low)[:, None], np.asarray(high)[:, None]
    return (np.clip((values[None] - below) / (above - below), 0, 1) * 255).astype(np.uint8)

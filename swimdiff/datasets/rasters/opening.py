"""What the files of a scene hold and where they lie, checked when the scene is indexed."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from swimdiff.bands import SENTINEL2
from swimdiff.bands.sensors import Sensor, find_sensor
from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    gdal_modules,
    open_raster,
    raster_failure,
    same_system,
    to_lonlat,
)
from swimdiff.datasets.rasters.files import FoundScene, RasterTree
from swimdiff.datasets.rasters.offsets import find_declared, find_offset
from swimdiff.errors import BandError, LayoutError, MissingBandsError, RasterError

__all__ = ['BandFile', 'Extent', 'SceneRasters', 'open_scene']

#: West, south, east and north edge in the units of a coordinate system.
Extent = tuple[float, float, float, float]

#: Type that the pixels of a file are handed on as.
_TYPES: Mapping[str, str] = {
    'Byte': 'uint8',
    'UInt16': 'uint16',
    'Int16': 'int16',
    'Int8': 'int16',
    **dict.fromkeys(('UInt32', 'Int32', 'Float16', 'Float32', 'Float64'), 'float32'),
}


class BandFile(NamedTuple):
    """Describe one band in a file: place in the file, size, place on the ground.

    Args:
        file: Path relative to the root.
        channel: Number in the file, from 1 as GDAL counts.
        west: West edge.
        dx: Width of a pixel.
        north: North edge.
        dy: Height of a pixel, above 0.
        width: Pixels of a row.
        height: Rows.
        nodata: Declared value of pixels without data.
        masked: Whether the file has a mask or an alpha band.
    """

    file: str
    channel: int
    west: float
    dx: float
    north: float
    dy: float
    width: int
    height: int
    nodata: float | None
    masked: bool

    @property
    def extent(self) -> Extent:
        """Return the ground it covers."""
        south, east = self.north - self.height * self.dy, self.west + self.width * self.dx
        return self.west, south, east, self.north


@dataclass(frozen=True)
class SceneRasters:
    """Describe a scene that can be cut.

    Args:
        path: What represents it, relative to the root.
        system: Coordinate system, WKT.
        dtype: Type of the pixels as handed on.
        bands: The bands wanted.
        mask: The cloud mask, if it has one.
        offset: What is taken off the pixels, so that 0 is a reflectance of 0.
    """

    path: str
    system: str
    dtype: str
    bands: Mapping[str, BandFile]
    mask: BandFile | None = None
    offset: int = 0

    @property
    def extent(self) -> Extent:
        """Return the ground that all bands cover."""
        extents = np.array([band.extent for band in self.bands.values()])
        west, south = extents[:, :2].max(0).tolist()
        east, north = extents[:, 2:].min(0).tolist()
        return west, south, east, north

    @property
    def widest(self) -> Extent:
        """Return the ground that any band covers."""
        extents = np.array([band.extent for band in self.bands.values()])
        west, south = extents[:, :2].min(0).tolist()
        east, north = extents[:, 2:].max(0).tolist()
        return west, south, east, north

    def json(self) -> dict[str, Any]:
        """Return the scene for JSON; ``SceneRasters.of`` reads it back."""
        return dict(vars(self), bands={name: list(band) for name, band in self.bands.items()})

    @classmethod
    def of(cls, text: Mapping[str, Any]) -> 'SceneRasters':
        """Build a scene from JSON."""
        bands = {name: BandFile(*band) for name, band in text['bands'].items()}
        mask = BandFile(*text['mask']) if text['mask'] else None
        return cls(**dict(text, bands=bands, mask=mask))


def open_scene(
    tree: RasterTree,
    scene: FoundScene,
    bands: Sequence[str] | None,
    whole: bool = True,
) -> SceneRasters:
    """Look into the files of a scene.

    Args:
        tree: The folder of scenes; names in the files and the cloud mask of its options are used.
        scene: The scene by its files.
        bands: Bands wanted; None: all it has, without the cloud mask.
        whole: Whether to look for files that end early, at the price of a block each.

    Raises:
        LayoutError: A file or a band is missing.
        RasterError: A file is damaged or has no usable georeference, or the bands do not fit.
        BandError: The bands inside a file are not known.
    """
    root, options = tree.root, tree.options
    if scene.doubled:
        raise LayoutError(
            f'{root / scene.path}: two files each claim {", ".join(scene.doubled)}, one is '
            f'{root / scene.bands[scene.doubled[0]]}. Leave one of each: exclude=[PATTERN].'
        )
    sensor = find_sensor(str(root.absolute() / scene.path), options.sensor)
    places = {name: (file, 1) for name, file in scene.bands.items()}
    if not places:
        numbers = _inside(root / scene.path, tree, sensor)
        _refuse_doubled(root / scene.path, numbers, [*(bands or numbers), *options.mask_names])
        places = {name: (scene.path, channels[0]) for name, channels in numbers.items()}
    if bands is None:
        bands = [name for name in places if name not in options.mask_names]
        if set(bands) <= set(SENTINEL2) and scene.bands:
            bands = [name for name in SENTINEL2 if name in bands]
    absent = [name for name in bands if name not in places]
    if absent or not bands:
        if sensor is not None and set(absent) & set(SENTINEL2):
            raise LayoutError(
                f'{root / scene.path} has no {", ".join(absent)} of Sentinel-2: by its name it is '
                f'of {sensor.title} and has {", ".join(places)}. Ask for these: '
                f"bands={list(places)}; or set sensor='Sentinel-2' if the name misleads."
            )
        raise MissingBandsError(
            f'{root / scene.path} has no {", ".join(absent)}; it has {", ".join(places)}.',
            'Complete the scene, take it away, or name bands that all scenes have: bands=[...].',
        )
    opened_files: dict[str, tuple[Any, str]] = {}
    named_channels = set(places.values())
    channels = {name: _band(root, *places[name], opened_files, named_channels) for name in bands}
    for band in {band.file: band for band in channels.values()}.values() if whole else ():
        _try_last_pixel(root / band.file, opened_files[band.file][0], band)
    mask = _mask(tree, scene, places, opened_files)
    systems = [wkt for _, wkt in opened_files.values()]
    types = {_type(root, opened_files[band.file][0], band) for band in channels.values()}
    if len(types) > 1 or not all(same_system(systems[0], system) for system in systems):
        raise RasterError(
            f'{root / scene.path}: its bands are of the types {", ".join(sorted(types))} and in '
            f'{len(set(systems))} coordinate system(s). Expected one of each.'
        )
    pixels = [opened_files[band.file][0].GetRasterBand(band.channel) for band in channels.values()]
    place = str(root.absolute() / scene.path)
    offset = find_offset(place, options.unit, find_declared(pixels), options.offset)
    rasters = SceneRasters(scene.path, systems[0], types.pop(), channels, mask, offset)
    west, south, east, north = rasters.extent
    if not (west < east and south < north):
        raise RasterError(f'{root / scene.path}: its bands do not cover the same ground.')
    middle = to_lonlat(np.array([(west + east) / 2, (south + north) / 2]), rasters.system)
    if not np.isfinite(middle).all() or abs(middle[1]) > 90:
        raise RasterError(f'{root / scene.path}: its georeference is no place on Earth.')
    return rasters


def _refuse_doubled(
    path: Path, numbers: Mapping[str, Sequence[int]], wanted: Collection[str]
) -> None:
    """Refuse a file in which two bands have a name that is asked for: either may be meant."""
    for name in wanted:
        if len(numbers.get(name, ())) > 1:
            raise BandError(
                f'{path}: the bands {" and ".join(map(str, numbers[name]))} are both named {name}. '
                'Expected each name once. Say which is meant, by number: '
                f'file_bands={{{name!r}: {numbers[name][0]}, ...}}.'
            )


def _inside(path: Path, tree: RasterTree, sensor: Sensor | None) -> dict[str, list[int]]:
    """Return the numbers of the bands by name of a file that holds several, from 1."""
    names, file_bands = tree.names, tree.options.file_bands
    channels_by_band: dict[str, list[int]] = {}
    if isinstance(file_bands, Mapping):
        for name, number in file_bands.items():
            channels_by_band.setdefault(names.of_text(name, sensor), []).append(int(number))
        return channels_by_band
    if file_bands is not None:
        texts = [name or '' for name in file_bands]
    else:
        dataset = _open(path)
        channels = range(1, dataset.RasterCount + 1)
        texts = [dataset.GetRasterBand(number).GetDescription() for number in channels]
    for number, text in enumerate(texts, 1):
        if text:
            channels_by_band.setdefault(names.of_text(text, sensor), []).append(number)
    if not channels_by_band:
        raise BandError(
            f'{path} does not say which bands its {len(texts)} are: neither its name nor their '
            "descriptions do. Name them in their order: file_bands=['B02', 'B03', ...], for "
            'embed.py and search.py --file-bands B02 B03 ...'
        )
    if file_bands is not None:
        count = _open(path).RasterCount
        if count != len(file_bands):
            raise BandError(
                f'{path} has {count} bands. Expected {len(file_bands)}, as file_bands names them '
                '(None for one that is not wanted).'
            )
    return channels_by_band


def _open(path: Path) -> Any:
    try:
        return open_raster(str(path))
    except GDAL_ERRORS as error:
        raise raster_failure(str(path), str(error), 'a raster') from error


def _band(
    root: Path,
    file: str,
    channel: int,
    opened: dict[str, tuple[Any, str]],
    named: Collection[tuple[str, int]] = (),
) -> BandFile:
    """A band of an open file; channels that are ``named`` are no mask, whatever the file says."""
    path = root / file
    if file not in opened:
        dataset = _open(path)
        system = dataset.GetSpatialRef()
        opened[file] = dataset, system.ExportToWkt(['FORMAT=WKT2_2019']) if system else ''
    dataset, wkt = opened[file]
    transform = dataset.GetGeoTransform(can_return_null=True)
    if transform is None or not wkt:
        more = ' (ground control points alone do not do)' if dataset.GetGCPCount() else ''
        raise RasterError(
            f'{path} has no georeference{more}. Expected a coordinate system and an affine '
            'transform in the file: gdal_edit.py -a_srs ... -a_ullr ..., or gdalwarp.'
        )
    west, dx, turn, north, tilt, dy = transform
    if turn or tilt or not (dx > 0 > dy and np.isfinite(transform).all()):
        raise RasterError(
            f'{path} is not north-up: its geotransform is {tuple(transform)}. Expected pixels '
            'that run east and south without rotation. Write it again: gdalwarp SRC DST.'
        )
    if not 1 <= channel <= dataset.RasterCount:
        raise BandError(f'{path} has {dataset.RasterCount} bands, and number {channel} is wanted.')
    band, size = dataset.GetRasterBand(channel), (dataset.RasterXSize, dataset.RasterYSize)
    try:
        has_mask = _has_mask(dataset, channel, {number for other, number in named if other == file})
        nodata = band.GetNoDataValue()
    except GDAL_ERRORS as error:  # a mask lies in a directory of its own, read only now
        raise raster_failure(str(path), str(error), 'a whole raster') from error
    name = _TYPES.get(gdal_modules()[0].GetDataTypeName(band.DataType), 'float32')
    if nodata is not None and name != 'float32':
        limits = np.iinfo(name)
        # Files converted to another type often keep a value that it cannot hold.
        nodata = nodata if limits.min <= nodata <= limits.max and nodata % 1 == 0 else None
    return BandFile(file, channel, west, dx, north, -dy, *size, nodata, has_mask)


def _has_mask(dataset: Any, channel: int, named: Collection[int]) -> bool:
    gdal, _ = gdal_modules()
    flags = dataset.GetRasterBand(channel).GetMaskFlags()
    if flags & gdal.GMF_ALPHA:
        # The last of four bands is often marked as transparency though it is a band like any.
        numbers = range(1, dataset.RasterCount + 1)
        kinds = [dataset.GetRasterBand(number).GetColorInterpretation() for number in numbers]
        return kinds.index(gdal.GCI_AlphaBand) + 1 not in named
    return bool(flags & gdal.GMF_PER_DATASET)


def _try_last_pixel(path: Path, dataset: Any, band: BandFile) -> None:
    """Notice a file that ends early, at the price of one block."""
    try:
        dataset.GetRasterBand(band.channel).ReadRaster(band.width - 1, band.height - 1, 1, 1)
    except GDAL_ERRORS as error:
        raise raster_failure(str(path), str(error), 'a whole raster') from error


def _type(root: Path, dataset: Any, band: BandFile) -> str:
    name = gdal_modules()[0].GetDataTypeName(dataset.GetRasterBand(band.channel).DataType)
    if name not in _TYPES:
        raise RasterError(
            f'{root / band.file} holds pixels of type {name}. Expected one of {", ".join(_TYPES)}.'
        )
    return _TYPES[name]


def _mask(
    tree: RasterTree,
    scene: FoundScene,
    places: Mapping[str, tuple[str, int]],
    opened: dict[str, tuple[Any, str]],
) -> BandFile | None:
    """Return the cloud mask of a scene, None where it has none."""
    root, options = tree.root, tree.options
    if options.clouds is None:
        return None
    if options.clouds.band is not None:
        there = places.get(options.clouds.band)
        return _band(root, *there, opened) if there else None
    name = (options.clouds.file or '').replace('{stem}', scene.stem)
    file = os.path.normpath(os.path.join(scene.folder, name))
    return _band(root, file, 1, opened) if (root / file).is_file() else None

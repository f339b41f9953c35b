"""A map on disk, as the products made from it see it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    gdal_modules,
    open_raster,
    raster_failure,
    read_band,
)
from swimdiff.errors import ConfigError, RasterError

__all__ = ['MapClass', 'WrittenMap', 'choose_classes', 'read_map']

#: Pixels of a map that are read at once.
_STRIP = 1 << 22
#: Item of a map's metadata that names the class of a value.
CLASS_ITEM = r'CLASS_(\d+)'


@dataclass(frozen=True)
class MapClass:
    """Hold one class of a map.

    Args:
        value: Pixel value, 0 to 255.
        name: For tables and legends.
        colour: Red, green and blue, 0 to 255.
    """

    value: int
    name: str
    colour: tuple[int, int, int]

    @property
    def hexadecimal(self) -> str:
        """Return the colour as a web page writes it."""
        return '#{:02x}{:02x}{:02x}'.format(*self.colour)


@dataclass(frozen=True)
class WrittenMap:
    """Hold a map of classes and, where there is one, its raster of probabilities.

    Args:
        path: GeoTIFF of one uint8 band.
        classes: By ascending value.
        no_data: Value of pixels without a class; None where all have one.
        width: Pixels of a row.
        height: Rows.
        transform: GDAL's affine transform, six numbers; None without a georeference.
        crs: Coordinate system as WKT; empty without one.
        probability: Raster of the same size: one band (of the class of each pixel, or of the
            change), or one band per class.
    """

    path: Path
    classes: tuple[MapClass, ...]
    no_data: int | None
    width: int
    height: int
    transform: tuple[float, ...] | None
    crs: str
    probability: Path | None = None

    def read_strips(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield first row and values (rows x width, uint8) of one strip after another."""
        dataset = open_raster(str(self.path))  # kept: a band of GDAL does not keep its file open
        band = dataset.GetRasterBand(1)
        rows = max(1, _STRIP // self.width)
        for top in range(0, self.height, rows):
            height = min(rows, self.height - top)
            try:
                yield top, read_band(band, (0, top, self.width, height))
            except GDAL_ERRORS as error:
                raise raster_failure(str(self.path), str(error), 'a whole map') from error

    def require_crs(self, purpose: str) -> None:
        """Check that the map has a georeference.

        Args:
            purpose: What needs it, for the message.

        Raises:
            RasterError: It has none.
        """
        if not self.crs or self.transform is None:
            raise RasterError(
                f'{self.path} has no coordinate system, which {purpose} needs. Give the input '
                'rasters one (gdal_edit.py -a_srs EPSG:... -a_ullr ...) and map them again.'
            )


def _read_names(dataset: Any, band: Any) -> dict[int, str]:
    items = (dataset.GetMetadata() or {}).items()
    matched_items = ((re.fullmatch(CLASS_ITEM, key), name) for key, name in items)
    class_names = {int(match[1]): name for match, name in matched_items if match}
    return class_names or {value: n for value, n in enumerate(band.GetCategoryNames() or []) if n}


def _grey(value: int) -> tuple[int, int, int]:
    return (value, value, value)


def read_map(path: str | Path, probability: str | Path | None = None) -> WrittenMap:
    """Read what a map says of itself: classes, colours, grid.

    Args:
        path: GeoTIFF with a uint8 band, a colour table and the names of its classes.
        probability: Its raster of probabilities. Defaults to None.

    Raises:
        LayoutError: A file is missing.
        RasterError: It is no map, or the two do not fit together.
    """
    expected_text = 'a map: a GeoTIFF with one band of uint8 classes'
    try:
        dataset = open_raster(str(path))
    except GDAL_ERRORS as error:
        raise raster_failure(str(path), str(error), expected_text) from error
    gdal, _ = gdal_modules()
    band = dataset.GetRasterBand(1)
    if band.DataType != gdal.GDT_Byte:
        data_type = gdal.GetDataTypeName(band.DataType)
        raise RasterError(
            f'{path}: expected {expected_text}, found {data_type}. Name the map itself.'
        )
    no_data = band.GetNoDataValue()
    no_data = None if no_data is None else int(no_data)
    names, table = _read_names(dataset, band), band.GetColorTable()
    values = sorted(names) or [int(v) for v in np.unique(read_band(band))]
    classes = tuple(
        MapClass(
            value,
            names.get(value, f'class {value}'),
            tuple(table.GetColorEntry(value)[:3]) if table else _grey(value),
        )
        for value in values
        if value != no_data
    )
    written_map = WrittenMap(
        Path(path),
        classes,
        no_data,
        dataset.RasterXSize,
        dataset.RasterYSize,
        dataset.GetGeoTransform(can_return_null=True),
        dataset.GetProjection(),
        None if probability is None else Path(probability),
    )
    if written_map.probability is not None:
        _check_probability(written_map)
    return written_map


def _check_probability(made: WrittenMap) -> None:
    path = str(made.probability)
    try:
        dataset = open_raster(path)
    except GDAL_ERRORS as error:
        raise raster_failure(path, str(error), 'probabilities of a map') from error
    size = dataset.RasterXSize, dataset.RasterYSize
    if size != (made.width, made.height):
        raise RasterError(
            f'{path} has {size[0]} x {size[1]} pixels, but {made.path} has {made.width} x '
            f'{made.height}. Name the raster of probabilities that was written with this map.'
        )


def choose_classes(made: WrittenMap, wanted: Sequence[str] | None) -> tuple[MapClass, ...]:
    """Return some classes of a map.

    Args:
        made: The map.
        wanted: Names, or values as text; None for all.

    Raises:
        ConfigError: The map has no such class.
    """
    if wanted is None:
        return made.classes
    known_classes = {key: one for one in made.classes for key in (str(one.value), one.name)}
    missing_names = [name for name in wanted if name not in known_classes]
    if missing_names:
        raise ConfigError(
            f'{made.path} has no class {", ".join(missing_names)}. Its classes: '
            f'{", ".join(f"{one.name} ({one.value})" for one in made.classes)}.'
        )
    return tuple(dict.fromkeys(known_classes[name] for name in wanted))

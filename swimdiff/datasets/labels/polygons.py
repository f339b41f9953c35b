"""Labels as polygons: read once, drawn window by window by GDAL.

Where polygons overlap, the smaller one counts: a pond in a forest stays a pond, whatever the order
of the file. A pixel belongs to the polygon that covers its centre.
"""

import functools
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    gdal_modules,
    ogr_module,
    spatial_reference,
    to_lonlat,
)
from swimdiff.datasets.labels.classes import ClassTable, spell_value
from swimdiff.datasets.labels.layers import Grid, describe_ground, explain_failure
from swimdiff.errors import ConfigError, LayoutError, RasterError

__all__ = ['Polygons', 'count_values', 'is_vector', 'read_polygons']

#: Suffixes of labels that are rasters; everything else is opened as a vector file.
_RASTERS = ('.tif', '.tiff', '.vrt', '.jp2', '.png', '.img', '.bmp', '.cog')


def is_vector(path: str) -> bool:
    """Return whether labels are a vector file, by the suffix."""
    return os.path.splitext(path)[1].lower() not in _RASTERS


@dataclass(frozen=True)
class Polygons:
    """Hold polygons with their classes, in a grid's coordinates, larger ones first.

    Args:
        path: The file, for messages.
        shapes: Geometries as well-known binary.
        numbers: Class of each, uint8.
        bounds: N x 4 float64: west, south, east, north.
        rest: Class of ground without a polygon.
    """

    path: str
    shapes: tuple[bytes, ...]
    numbers: np.ndarray
    bounds: np.ndarray
    rest: int

    def draw(self, grid: Grid) -> np.ndarray:
        """Draw the polygons onto a grid.

        Args:
            grid: Pixels in the coordinate system of the polygons.

        Returns:
            H x W uint8: the class of the smallest polygon over the centre of each pixel.
        """
        west, south, east, north = grid.extent
        left, bottom, right, top = self.bounds.T if len(self.bounds) else np.zeros((4, 0))
        near = (left < east) & (right > west) & (bottom < north) & (top > south)
        near_numbers = np.flatnonzero(near)
        if not len(near_numbers):
            return np.full((grid.height, grid.width), self.rest, np.uint8)
        gdal, _ = gdal_modules()
        ogr = ogr_module()
        system = spatial_reference(grid.system)
        target = gdal.GetDriverByName('MEM').Create('', grid.width, grid.height, 1, gdal.GDT_Byte)
        target.SetGeoTransform(grid.transform)
        target.SetSpatialRef(system)
        target.GetRasterBand(1).Fill(self.rest)
        memory = ogr.GetDriverByName('Memory').CreateDataSource('')
        layer = memory.CreateLayer('shapes', system, ogr.wkbUnknown)
        layer.CreateField(ogr.FieldDefn('class', ogr.OFTInteger))
        for number in near_numbers.tolist():
            feature = ogr.Feature(layer.GetLayerDefn())
            feature.SetGeometry(ogr.CreateGeometryFromWkb(self.shapes[number]))
            feature.SetField('class', int(self.numbers[number]))
            layer.CreateFeature(feature)
        gdal.RasterizeLayer(target, [1], layer, options=['ATTRIBUTE=class'])
        data = target.ReadRaster(buf_type=gdal.GDT_Byte)
        return np.frombuffer(data, np.uint8).reshape(grid.height, grid.width).copy()


def _open_layer(path: str, name: str | None) -> tuple[Any, Any]:
    """The vector file and the layer of it with the labels."""
    gdal, _ = gdal_modules()
    try:
        dataset = gdal.OpenEx(os.fsencode(path), gdal.OF_VECTOR | gdal.OF_READONLY)
    except GDAL_ERRORS as error:
        raise explain_failure(path, str(error)) from error
    layers = [dataset.GetLayerByIndex(i) for i in range(dataset.GetLayerCount())]
    names = [layer.GetName() for layer in layers]
    if name is not None and name not in names:
        raise ConfigError(f'{path} has no layer {name!r}; it has {", ".join(names)} (layer=...).')
    chosen_layers = [layer for layer in layers if name is None or layer.GetName() == name]
    if len(chosen_layers) != 1:
        raise ConfigError(
            f'{path} has {len(chosen_layers)} layers: {", ".join(names)}. Expected one; say which '
            "is meant: layer='...' in the data set."
        )
    return dataset, chosen_layers[0]


def _field(path: str, layer: Any, attribute: str | None) -> int | None:
    """Number of the attribute in the layer."""
    if attribute is None:
        return None
    definition = layer.GetLayerDefn()
    names = [definition.GetFieldDefn(i).GetName() for i in range(definition.GetFieldCount())]
    if attribute not in names:
        raise LayoutError(
            f'{path} has no attribute {attribute!r}; it has {", ".join(names) or "none"}. Name the '
            "one that holds the class: classes=dict(attribute='...', ...)."
        )
    return names.index(attribute)


def _stamp(path: str) -> tuple[int, int]:
    try:
        about = os.stat(path)
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns


def count_values(path: str, attribute: str | None, layer: str | None = None) -> Counter[str]:
    """Count the polygons of each value of an attribute.

    Args:
        path: The vector file.
        attribute: The attribute; None counts all polygons as ``''``.
        layer: Name of the layer where the file has several.

    Raises:
        LayoutError: The file or the attribute is missing.
        RasterError: The file cannot be read.
    """
    return _count(path, attribute, layer, _stamp(path))


@functools.lru_cache(maxsize=10_000)
def _count(
    path: str, attribute: str | None, name: str | None, stamp: tuple[int, int]
) -> Counter[str]:
    """Keep what a file holds: train, val and test of one run ask for the same labels."""
    _source, layer = _open_layer(path, name)  # kept open: the layer lives in it
    field = _field(path, layer, attribute)
    counts: Counter[str] = Counter()
    for feature in layer:
        value = '' if field is None else feature.GetField(field)
        if value is not None:
            counts[spell_value(value)] += 1
    return counts


def read_polygons(
    path: str, classes: ClassTable, grid: Grid, base: str, layer: str | None = None
) -> Polygons:
    """Read labels into the coordinates of a grid.

    Args:
        path: GeoPackage, GeoJSON, Shapefile or anything that OGR reads.
        classes: Attribute and classes; polygons of other values are drawn as unlabelled.
        grid: Pixels of the first date.
        base: File of the first date, for messages.
        layer: Name of the layer where the file has several.

    Raises:
        LayoutError: The file or the attribute is missing, or no polygon lies on the raster.
        RasterError: The file cannot be read, has no coordinate system, or holds no polygons.
    """
    _source, opened_layer = _open_layer(path, layer)  # kept open: the layer lives in it
    field = _field(path, opened_layer, classes.attribute)
    move = _transformation(path, opened_layer, grid)
    shapes, numbers, bounds, areas = [], [], [], []
    try:
        for feature in opened_layer:
            shape = feature.GetGeometryRef()
            if shape is None or shape.IsEmpty():
                continue
            _refuse_lines(path, shape)
            if move is not None and shape.Transform(move) != 0:
                continue
            left, right, bottom, top = shape.GetEnvelope()
            shapes.append(bytes(shape.ExportToWkb()))
            numbers.append(classes.number(None if field is None else feature.GetField(field)))
            bounds.append((left, bottom, right, top))
            areas.append(shape.GetArea())
    except GDAL_ERRORS as error:
        raise explain_failure(path, str(error)) from error
    if not shapes:
        raise RasterError(f'{path} holds no polygon. Expected at least one with a class.')
    order = np.argsort(-np.array(areas), kind='stable')
    polygons = Polygons(
        path,
        tuple(shapes[i] for i in order),
        np.array(numbers, np.uint8)[order],
        np.array(bounds, float)[order],
        classes.rest,
    )
    _refuse_outside(polygons, grid, base)
    return polygons


def _transformation(path: str, layer: Any, grid: Grid) -> Any:
    """Transformation to the coordinate system of a grid; None where they are the same."""
    _, osr = gdal_modules()
    system = layer.GetSpatialRef()
    if system is None:
        raise RasterError(
            f'{path} has no coordinate system, and none is assumed. Write it into a copy: ogr2ogr '
            '-a_srs EPSG:... OUT IN.'
        )
    source, target = system.Clone(), spatial_reference(grid.system)
    source.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return None if source.IsSame(target) else osr.CoordinateTransformation(source, target)


def _refuse_lines(path: str, shape: Any) -> None:
    if shape.GetDimension() != 2:
        raise RasterError(
            f'{path} holds a {shape.GetGeometryName()}. Expected polygons; buffer points and lines '
            'first.'
        )


def _refuse_outside(polygons: Polygons, grid: Grid, base: str) -> None:
    """Refuse labels of which none lies on the raster."""
    west, south, east, north = grid.extent
    left, bottom, right, top = polygons.bounds.T
    if ((left < east) & (right > west) & (bottom < north) & (top > south)).any():
        return
    corners = np.array([[left.min(), bottom.min()], [right.max(), top.max()]])
    (lon1, lat1), (lon2, lat2) = to_lonlat(corners, grid.system).tolist()
    raise LayoutError(
        f'{polygons.path}: none of its {len(polygons.shapes)} polygons lies on {base}: they cover '
        f'longitude {lon1:.5g} to {lon2:.5g}, latitude {lat1:.5g} to {lat2:.5g}, the raster '
        f'{describe_ground(grid)}. Expected labels of the ground of the raster; mind the '
        'coordinate system that the file declares.'
    )

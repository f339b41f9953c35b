"""The place of a raster on the globe."""

import os
from pathlib import Path
from typing import Any

from swimdiff.datasets.geo.access import gdal_modules, open_raster, raster_failure
from swimdiff.errors import RasterError

__all__ = ['centre_lonlat']


def _georeference(path: str) -> tuple[Any, tuple[float, ...], Any]:
    """Data set, affine transform and reference system of a raster, checked to be there."""
    try:
        dataset = open_raster(path)
    except RuntimeError as error:
        raise raster_failure(path, str(error), 'a georeferenced raster') from error
    transform, system = dataset.GetGeoTransform(can_return_null=True), dataset.GetSpatialRef()
    if transform is None or system is None:
        raise RasterError(
            f'{path} has no georeference. Expected a coordinate system and an affine transform. '
            'Write both into the file (gdal_edit.py -a_srs ... -a_ullr ...), or choose a scene '
            'definition that needs none (LocationScene).'
        )
    return dataset, transform, system


def _to_lonlat(system: Any) -> Any:
    """Transformation from a reference system to WGS 84, longitude before latitude."""
    _, osr = gdal_modules()
    source, target = system.Clone(), osr.SpatialReference()
    target.ImportFromEPSG(4326)
    for reference in (source, target):
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return osr.CoordinateTransformation(source, target)


def _apply(transform: tuple[float, ...], column: float, row: float) -> tuple[float, float]:
    x0, dx, rx, y0, ry, dy = transform
    return x0 + column * dx + row * rx, y0 + column * ry + row * dy


def centre_lonlat(path: str | Path) -> tuple[float, float]:
    """Return longitude and latitude (WGS 84, degrees) of a raster's centre.

    Raises:
        LayoutError: The file is missing.
        RasterError: The file cannot be opened or has no georeference.
    """
    dataset, transform, system = _georeference(os.fspath(path))
    point = _apply(transform, dataset.RasterXSize / 2, dataset.RasterYSize / 2)
    if system.IsGeographic():
        return point
    lon, lat, _ = _to_lonlat(system).TransformPoint(*point)
    return lon, lat

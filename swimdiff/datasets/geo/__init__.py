"""Rasters through GDAL: the only folder that imports osgeo."""

from swimdiff.datasets.geo.access import (
    GDAL_ERRORS,
    gdal_modules,
    open_raster,
    raster_failure,
    require_gdal,
)
from swimdiff.datasets.geo.georeference import centre_lonlat
from swimdiff.datasets.geo.ground import (
    AXIS,
    E2,
    carry,
    earth_centred,
    is_geographic,
    join_longitudes,
    meridian_metres,
    metres_per_unit,
    same_system,
    to_lonlat,
)
from swimdiff.datasets.geo.raster import (
    raster_size,
    read_bands,
    read_channels,
    read_planes,
)

__all__ = [
    'AXIS',
    'E2',
    'GDAL_ERRORS',
    'carry',
    'centre_lonlat',
    'earth_centred',
    'gdal_modules',
    'is_geographic',
    'join_longitudes',
    'meridian_metres',
    'metres_per_unit',
    'open_raster',
    'raster_failure',
    'raster_size',
    'read_bands',
    'read_channels',
    'read_planes',
    'require_gdal',
    'same_system',
    'to_lonlat',
]

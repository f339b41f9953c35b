"""Rasters through GDAL: the only folder that imports osgeo."""

from swimdiff.datasets.geo.access import (
    GDAL_ERRORS,
    gdal_modules,
    open_raster,
    raster_failure,
    require_gdal,
)
from swimdiff.datasets.geo.georeference import (
    LonLatGrid,
    centre_lonlat,
    lonlat_grid,
    read_on_grid,
    write_geotiff,
)
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
    raster_preview,
    raster_size,
    read_bands,
    read_channels,
    read_planes,
)

__all__ = [
    'AXIS',
    'E2',
    'GDAL_ERRORS',
    'LonLatGrid',
    'carry',
    'centre_lonlat',
    'earth_centred',
    'gdal_modules',
    'is_geographic',
    'join_longitudes',
    'lonlat_grid',
    'meridian_metres',
    'metres_per_unit',
    'open_raster',
    'raster_failure',
    'raster_preview',
    'raster_size',
    'read_bands',
    'read_channels',
    'read_on_grid',
    'read_planes',
    'require_gdal',
    'same_system',
    'to_lonlat',
    'write_geotiff',
]

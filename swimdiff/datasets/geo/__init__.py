"""Rasters through GDAL: the only folder that imports osgeo."""

from swimdiff.datasets.geo.access import (
    GDAL_ERRORS,
    gdal_modules,
    ogr_module,
    open_raster,
    raster_failure,
    require_gdal,
)
from swimdiff.datasets.geo.block_grid import BlockGrid
from swimdiff.datasets.geo.georeference import centre_lonlat
from swimdiff.datasets.geo.ground import (
    AXIS,
    carry,
    earth_centred,
    is_geographic,
    join_longitudes,
    meridian_metres,
    metres_per_unit,
    same_system,
    spatial_reference,
    to_lonlat,
)
from swimdiff.datasets.geo.network import call_again, is_retry_note, use_network
from swimdiff.datasets.geo.raster import (
    raster_size,
    read_band,
    read_bands,
    read_channels,
    read_planes,
)

__all__ = [
    'AXIS',
    'GDAL_ERRORS',
    'BlockGrid',
    'call_again',
    'carry',
    'centre_lonlat',
    'earth_centred',
    'gdal_modules',
    'is_geographic',
    'is_retry_note',
    'join_longitudes',
    'meridian_metres',
    'metres_per_unit',
    'ogr_module',
    'open_raster',
    'raster_failure',
    'raster_size',
    'read_band',
    'read_bands',
    'read_channels',
    'read_planes',
    'require_gdal',
    'same_system',
    'spatial_reference',
    'to_lonlat',
    'use_network',
]

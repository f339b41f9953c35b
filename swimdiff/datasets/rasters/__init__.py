"""Patches of rasters of any kind: find, open, place windows, judge, read."""

from swimdiff.datasets.rasters.dates import find_date
from swimdiff.datasets.rasters.options import RasterOptions
from swimdiff.datasets.rasters.source import RasterScenesSource

__all__ = ['RasterOptions', 'RasterScenesSource', 'find_date']

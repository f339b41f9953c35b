"""Labels as people have them: lists of rasters with polygons or mask rasters."""

from swimdiff.datasets.labels.raster_labels import RasterLabels
from swimdiff.datasets.labels.raster_pairs import RasterPairs
from swimdiff.datasets.labels.raster_patches import RasterPatches

__all__ = ['RasterLabels', 'RasterPairs', 'RasterPatches']

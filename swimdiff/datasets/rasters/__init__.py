"""Patches of rasters of any kind: find, open, place windows, judge, read."""

from swimdiff.datasets.rasters.cutting import cut
from swimdiff.datasets.rasters.dates import find_date
from swimdiff.datasets.rasters.files import (
    SUFFIXES,
    BandNames,
    FoundScene,
    RasterTree,
    find_scenes,
    group_files,
    layouts,
)
from swimdiff.datasets.rasters.opening import SceneRasters, open_scene
from swimdiff.datasets.rasters.options import CloudMask, RasterOptions
from swimdiff.datasets.rasters.quality import is_judged, look
from swimdiff.datasets.rasters.source import RasterScenesSource
from swimdiff.datasets.rasters.windows import measure

__all__ = [
    'SUFFIXES',
    'BandNames',
    'CloudMask',
    'FoundScene',
    'RasterOptions',
    'RasterScenesSource',
    'RasterTree',
    'SceneRasters',
    'cut',
    'find_date',
    'find_scenes',
    'group_files',
    'is_judged',
    'layouts',
    'look',
    'measure',
    'open_scene',
]

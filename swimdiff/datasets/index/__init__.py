"""What an archive holds: patches by number, their cache on disk, sources that read them."""

from swimdiff.datasets.index.cache import digest
from swimdiff.datasets.index.patch import Patch
from swimdiff.datasets.index.patch_index import PatchIndex, Strings
from swimdiff.datasets.index.planes import stack_planes, stretch_table
from swimdiff.datasets.index.skipping import SkipCounter
from swimdiff.datasets.index.source import Georeference, LocationSamples, PatchSource, Tables
from swimdiff.datasets.index.unit_check import check_pixels, check_unit

__all__ = [
    'Georeference',
    'LocationSamples',
    'Patch',
    'PatchIndex',
    'PatchSource',
    'SkipCounter',
    'Strings',
    'Tables',
    'check_pixels',
    'check_unit',
    'digest',
    'stack_planes',
    'stretch_table',
]

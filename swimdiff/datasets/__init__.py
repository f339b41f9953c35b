"""Data sets, scene definitions and transforms; only the folder ``geo`` imports osgeo."""

from swimdiff.datasets.archives import (
    SEN12MS,
    SSL4EO,
    BlockScene,
    DistanceScene,
    FileScene,
    LocationScene,
    PictureScenes,
    RasterScenes,
    SeCo,
    SEN12MSScene,
    TileScene,
)
from swimdiff.datasets.change import LEVIRCD, OSCD, ChangePairs
from swimdiff.datasets.classification import (
    BigEarthNet,
    EuroSAT,
    LabelledPictures,
    LabelledRasters,
    LoadBigEarthNet,
    LoadEuroSAT,
    LoadLabelledRaster,
    LoadPicture,
)
from swimdiff.datasets.labels import RasterLabels, RasterPairs, RasterPatches
from swimdiff.datasets.transforms import (
    LoadPatch,
    MultiBandColorJitter,
    PackViews,
    RandomBlur,
    RandomGrey,
    RandomQuarterTurn,
    TwoViews,
)
from swimdiff.datasets.worker_threads import single_threaded_worker

__all__ = [
    'LEVIRCD',
    'OSCD',
    'SEN12MS',
    'SSL4EO',
    'BigEarthNet',
    'BlockScene',
    'ChangePairs',
    'DistanceScene',
    'EuroSAT',
    'FileScene',
    'LabelledPictures',
    'LabelledRasters',
    'LoadBigEarthNet',
    'LoadEuroSAT',
    'LoadLabelledRaster',
    'LoadPatch',
    'LoadPicture',
    'LocationScene',
    'MultiBandColorJitter',
    'PackViews',
    'PictureScenes',
    'RandomBlur',
    'RandomGrey',
    'RandomQuarterTurn',
    'RasterLabels',
    'RasterPairs',
    'RasterPatches',
    'RasterScenes',
    'SEN12MSScene',
    'SeCo',
    'TileScene',
    'TwoViews',
    'single_threaded_worker',
]

"""Scene classification: EuroSAT, BigEarthNet and folders of pictures, their splits and readers."""

from swimdiff.datasets.classification.bigearthnet import BigEarthNet
from swimdiff.datasets.classification.bigearthnet_v2 import BigEarthNetV2
from swimdiff.datasets.classification.eurosat import EuroSAT
from swimdiff.datasets.classification.labelled_pictures import LabelledPictures
from swimdiff.datasets.classification.labelled_rasters import LabelledRasters
from swimdiff.datasets.classification.loading import (
    LoadBigEarthNet,
    LoadEuroSAT,
    LoadLabelledRaster,
)
from swimdiff.datasets.classification.picture_loading import LoadPicture

__all__ = [
    'BigEarthNet',
    'BigEarthNetV2',
    'EuroSAT',
    'LabelledPictures',
    'LabelledRasters',
    'LoadBigEarthNet',
    'LoadEuroSAT',
    'LoadLabelledRaster',
    'LoadPicture',
]

"""Scene classification: EuroSAT and BigEarthNet, their splits and their readers."""

from swimdiff.datasets.classification.bigearthnet import BigEarthNet
from swimdiff.datasets.classification.eurosat import EuroSAT
from swimdiff.datasets.classification.loading import LoadBigEarthNet, LoadEuroSAT

__all__ = ['BigEarthNet', 'EuroSAT', 'LoadBigEarthNet', 'LoadEuroSAT']

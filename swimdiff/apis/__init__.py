"""Functions for scripts and notebooks."""

from swimdiff.apis.backbones import EmbeddedRaster, ModelEntry, embed, list_models, load_backbone
from swimdiff.apis.inferencers import prepare_config
from swimdiff.apis.maps import predict_change, predict_landcover

__all__ = [
    'EmbeddedRaster',
    'ModelEntry',
    'embed',
    'list_models',
    'load_backbone',
    'predict_change',
    'predict_landcover',
    'prepare_config',
]

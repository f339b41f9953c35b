"""Functions for scripts and notebooks."""

from swimdiff.apis.backbones import EmbeddedRaster, ModelEntry, embed, list_models, load_backbone
from swimdiff.apis.inferencers import prepare_config

__all__ = [
    'EmbeddedRaster',
    'ModelEntry',
    'embed',
    'list_models',
    'load_backbone',
    'prepare_config',
]

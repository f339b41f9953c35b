"""Functions for scripts and notebooks."""

from swimdiff.apis.backbones import EmbeddedRaster, ModelEntry, embed, list_models, load_backbone

__all__ = ['EmbeddedRaster', 'ModelEntry', 'embed', 'list_models', 'load_backbone']

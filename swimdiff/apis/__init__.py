"""Functions for scripts and notebooks, imported when they are first asked for."""

import importlib
from typing import Any

#: Module of each name.
_HOMES = {
    'EmbeddedRaster': 'swimdiff.apis.backbones',
    'ModelEntry': 'swimdiff.apis.backbones',
    'embed': 'swimdiff.apis.backbones',
    'list_models': 'swimdiff.apis.backbones',
    'load_backbone': 'swimdiff.apis.backbones',
    'predict_change': 'swimdiff.apis.maps',
    'predict_landcover': 'swimdiff.apis.maps',
    'prepare_config': 'swimdiff.apis.inferencers',
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Import a function from its module."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_HOMES[name]), name)

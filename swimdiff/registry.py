"""Registries of the toolkit: children of MMEngine's, all in the scope ``swimdiff``.

A component is named ``type='SwiMDiff'`` where the default scope is ``swimdiff`` and
``type='swimdiff.SwiMDiff'`` elsewhere (for example in an ``mmseg`` config). ``locations`` are
imported at the first look-up, so ``import swimdiff`` stays cheap and ``osgeo`` is not needed until
a raster is read.
"""

from mmengine import registry as engine
from mmengine.registry import Registry

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'HOOKS',
    'METRICS',
    'MODELS',
    'TASK_UTILS',
    'TRANSFORMS',
    'VISUALIZERS',
]


def _child(name: str, parent: Registry, location: str) -> Registry:
    return Registry(name, parent=parent, scope='swimdiff', locations=[f'swimdiff.{location}'])


MODELS = _child('model', engine.MODELS, 'models')
DATASETS = _child('dataset', engine.DATASETS, 'datasets')
TRANSFORMS = _child('transform', engine.TRANSFORMS, 'datasets.transforms')
#: Scene definitions (what makes two images "of the same scene") live here.
TASK_UTILS = _child('task util', engine.TASK_UTILS, 'datasets')
DATA_SAMPLERS = _child('data sampler', engine.DATA_SAMPLERS, 'engine')
HOOKS = _child('hook', engine.HOOKS, 'engine')
METRICS = _child('metric', engine.METRICS, 'evaluation')
VISUALIZERS = _child('visualizer', engine.VISUALIZERS, 'visualization')

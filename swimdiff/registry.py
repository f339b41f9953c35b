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
    'DEVICE_TRANSFORMS',
    'FUNCTIONS',
    'HOOKS',
    'LABEL_RULES',
    'LOOPS',
    'MEASUREMENTS',
    'METRICS',
    'MODELS',
    'OPTIMIZERS',
    'OPTIM_WRAPPERS',
    'SOURCES',
    'STRATEGIES',
    'TASK_UTILS',
    'TRANSFORMS',
    'VISUALIZERS',
    'WEIGHT_INITIALIZERS',
]


def _child(parent: Registry, *locations: str) -> Registry:
    modules = [f'swimdiff.{location}' for location in locations]
    return Registry(parent.name, parent=parent, scope='swimdiff', locations=modules)


MODELS = _child(engine.MODELS, 'models')
DATASETS = _child(engine.DATASETS, 'datasets')
TRANSFORMS = _child(engine.TRANSFORMS, 'datasets.transforms')
#: Archives of patches, see :mod:`swimdiff.datasets.index.source`.
SOURCES = Registry('source of patches', scope='swimdiff', locations=['swimdiff.datasets'])
#: What represents a transform of the workers where views are made in batches on the device.
DEVICE_TRANSFORMS = Registry(
    'device transform', scope='swimdiff', locations=['swimdiff.models.preprocessors.device_views']
)
#: What the label of a same-scene key is, see :mod:`swimdiff.models.selfsup.label_rules`.
LABEL_RULES = Registry('label rule', scope='swimdiff', locations=['swimdiff.models'])
#: Functions that a config names: what a worker does when it starts, what is sharded as a whole.
FUNCTIONS = _child(engine.FUNCTIONS, 'datasets', 'engine')
#: Scene definitions (what makes two images "of the same scene") live here.
TASK_UTILS = _child(engine.TASK_UTILS, 'datasets')
DATA_SAMPLERS = _child(engine.DATA_SAMPLERS, 'engine')
HOOKS = _child(engine.HOOKS, 'engine')
LOOPS = _child(engine.LOOPS, 'engine')
OPTIMIZERS = _child(engine.OPTIMIZERS, 'engine')
OPTIM_WRAPPERS = _child(engine.OPTIM_WRAPPERS, 'engine')
STRATEGIES = _child(engine.STRATEGIES, 'engine')
METRICS = _child(engine.METRICS, 'evaluation')
#: What a study measures of a trained cell.
MEASUREMENTS = Registry(
    'measurement', scope='swimdiff', locations=['swimdiff.studies.measurements']
)
VISUALIZERS = _child(engine.VISUALIZERS, 'visualization')
WEIGHT_INITIALIZERS = _child(engine.WEIGHT_INITIALIZERS, 'weights')

# Nothing of ours is in these, but a config with our default scope must find the engine's through
# them without a warning. (A location all the same: without one the engine looks for a function that
# registers everything.)
for _parent in (
    engine.RUNNERS,
    engine.RUNNER_CONSTRUCTORS,
    engine.LOG_PROCESSORS,
    engine.MODEL_WRAPPERS,
    engine.OPTIM_WRAPPER_CONSTRUCTORS,
    engine.PARAM_SCHEDULERS,
    engine.VISBACKENDS,
    engine.EVALUATOR,
):
    _child(_parent, 'engine')

"""Optimisers and their wrappers, where the engine's would wait for the device."""

from swimdiff.engine.optimizers.autocast_wrapper import AutocastOptimWrapper
from swimdiff.engine.optimizers.lars import LARS

__all__ = ['LARS', 'AutocastOptimWrapper']

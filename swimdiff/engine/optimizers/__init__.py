"""Optimisers and their wrappers, where the engine's would wait or cannot be used."""

from swimdiff.engine.optimizers.autocast_wrapper import AutocastOptimWrapper
from swimdiff.engine.optimizers.zero import ZeroOptimizer, gather_optimizer

__all__ = ['AutocastOptimWrapper', 'ZeroOptimizer', 'gather_optimizer']

"""Samplers: the order in which samples are met."""

from swimdiff.engine.samplers.scene_sampler import SceneSampler

__all__ = ['SceneSampler']

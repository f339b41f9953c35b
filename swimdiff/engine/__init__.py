"""Hooks and samplers."""

from swimdiff.engine.throughput_hook import ThroughputHook

__all__ = ['ThroughputHook']

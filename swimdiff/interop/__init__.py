"""Adapters that put our backbones into other people's benchmarks.

Each adapter is a module of its own, named after the package that it needs, and imports that package
when it is imported itself: ``import swimdiff`` and ``import swimdiff.interop`` need neither.
Commands are in ``docs/how-to/yardsticks.md``.
"""

"""SwiMDiff: scene-wide matching contrastive learning with a diffusion constraint.

Importing the package registers nothing heavy; see :mod:`swimdiff.registry`.
"""

from swimdiff.version import __version__

__all__ = ['__version__']

"""Land cover from one date."""

from swimdiff.models.landcover.cover_segmentor import CoverSegmentor

__all__ = ['CoverSegmentor']

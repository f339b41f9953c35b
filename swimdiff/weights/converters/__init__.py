"""Weights and models for other libraries and programs, each proven equal before it is written."""

from swimdiff.weights.converters.conversion import LIBRARIES, Conversion, convert_backbone
from swimdiff.weights.converters.graphs import export_backbone, export_segmentor, open_segmentor

__all__ = [
    'LIBRARIES',
    'Conversion',
    'convert_backbone',
    'export_backbone',
    'export_segmentor',
    'open_segmentor',
]

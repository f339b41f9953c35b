"""Maps of whole rasters: windows over rasters of any size, put together and written row by row.

Layers, from the bottom: ``windows`` and ``blending`` (pixels only), ``grid``, ``opening`` and
``inputs`` (rasters in), ``writer`` (rasters out), ``predictor`` (the model), ``pipeline`` and
``mapping`` (all together).
"""

from swimdiff.inference.map_job import MapJob, MapResult, Seams
from swimdiff.inference.mapping import write_map
from swimdiff.inference.predictor import MapPredictor, build_predictor

__all__ = ['MapJob', 'MapPredictor', 'MapResult', 'Seams', 'build_predictor', 'write_map']

"""From a trained model to georeferenced results on rasters of any size.

Layers of the maps, from the bottom: ``windows`` and ``blending`` (pixels only), ``grid``,
``opening`` and ``inputs`` (rasters in), ``writer`` (rasters out), ``predictor`` (the model),
``pipeline`` and ``mapping`` (all together). Embeddings are in ``embedding``; what is
made of maps in ``products``, lists of scenes in ``jobs``, inputs on servers in ``remote``;
``making`` puts these together.
"""

from swimdiff.inference.map_job import MapJob, MapResult, Seams
from swimdiff.inference.mapping import write_map
from swimdiff.inference.predictor import MapPredictor, build_predictor

__all__ = ['MapJob', 'MapPredictor', 'MapResult', 'Seams', 'build_predictor', 'write_map']

"""From a trained model to georeferenced results on rasters of any size."""

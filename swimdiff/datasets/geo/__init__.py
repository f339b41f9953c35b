"""Rasters through GDAL: the only folder that imports osgeo."""

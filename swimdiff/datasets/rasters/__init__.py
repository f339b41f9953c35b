"""Patches of rasters of any kind: find, open, place windows, judge, read."""

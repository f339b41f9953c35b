"""Normalisation layers of two branches and of several processes."""

"""Checkpoints read as data: select, load, initialise."""

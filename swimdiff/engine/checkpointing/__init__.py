"""Checkpoints that survive a kill, and going on from them."""

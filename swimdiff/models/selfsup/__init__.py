"""Momentum contrast with scene-wide matching: the self-supervisor and its parts."""

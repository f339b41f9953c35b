"""The environment and what does not fit in it."""

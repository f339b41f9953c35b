"""Functions for scripts and notebooks."""

"""Hooks that watch a run and warn or stop it."""

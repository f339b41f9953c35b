"""Hooks that say how a run goes."""

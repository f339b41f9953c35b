"""Hooks that score a model while it trains or is tested."""

"""A recipe fitted to batch and devices."""

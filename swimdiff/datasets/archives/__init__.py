"""The archives to pre-train on, and what a scene is in each."""

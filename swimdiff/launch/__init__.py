"""From a command line to a run: configs by name, processes, quiet start."""

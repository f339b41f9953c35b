"""The nearest registered names for a ``type`` that no registry has."""

from __future__ import annotations

import difflib
import re

from mmengine.registry import Registry

from swimdiff import registry as registries

__all__ = ['explain_unknown_name']

#: How the engine says it, also where a part was built within another.
_UNKNOWN = re.compile(r'([\w.]+) is not in the ([\w.]+)::([\w ]+?) registry')


def explain_unknown_name(error: BaseException) -> str | None:
    """Return a message with the nearest names for a name that is not registered.

    Args:
        error: What building a part of the config raised.

    Returns:
        The message; None for any other error.
    """
    match = _UNKNOWN.search(str(error)) if isinstance(error, KeyError) else None
    if match is None:
        return None
    wanted_name, _, kind = match.groups()
    known_names = _list_names(kind)
    # Whoever is wrong about letters is often right about the beginning.
    near = difflib.get_close_matches(wanted_name.rpartition('.')[2], known_names, n=3, cutoff=0.6)
    hint = f'Nearest: {", ".join(near)}. ' if near else ''
    return (
        f"No {kind} is registered as '{wanted_name}'. {hint}A part of your own is found once its "
        'module is imported: name the module in custom_imports.imports of the config, and its '
        'folder in PYTHONPATH.'
    )


def _list_names(kind: str) -> list[str]:
    """Return the names in a registry of ours and in those above it."""
    names: set[str] = set()
    for name in registries.__all__:
        registry: Registry | None = getattr(registries, name)
        if registry is not None and registry.name == kind:
            registry.import_from_location()
            while registry is not None:
                names |= set(registry.module_dict)
                registry = registry.parent
    return sorted(names)

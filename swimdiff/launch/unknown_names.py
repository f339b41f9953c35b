"""The nearest names for a type, an option of a part or a key of the config that does not exist."""

from __future__ import annotations

import difflib
import inspect
import re
import traceback
from collections.abc import Iterable, Iterator

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from swimdiff import registry as registries
from swimdiff.errors import ConfigError

__all__ = ['check_config_keys', 'explain_unknown_name']

#: How the engine says it, also where a part was built within another.
_UNKNOWN = re.compile(r'([\w.]+) is not in the ([\w.]+)::([\w ]+?) registry')
#: First names that engine and tools read beside the arguments of the engine's runner.
_READ_TOO = {
    *('compile', 'custom_imports', 'efficient_conv_bn_eval', 'find_unused_parameters'),
    *(
        'input_statistics',
        'model_wrapper_cfg',
        'runner_type',
        'scale_recipe',
        'strategy',
        'sync_bn',
    ),
}
#: How Python says it of an argument.
_UNEXPECTED = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")


def explain_unknown_name(error: BaseException) -> str | None:
    """Explain a type or an option that does not exist by the nearest names.

    Args:
        error: What building a part of the config raised.

    Returns:
        The message; None for any other error.
    """
    if isinstance(error, KeyError) and (match := _UNKNOWN.search(str(error))):
        return _explain_type(match[1], match[3])
    if isinstance(error, TypeError) and (match := _UNEXPECTED.search(str(error))):
        return _explain_option(error, match[1], match[2])
    return None


def check_config_keys(cfg: Config, given_options: Iterable[str]) -> None:
    """Refuse options on the command line whose first name is misspelt.

    The engine takes any name, and does nothing with those that it does not know.

    Args:
        cfg: The config, without the options.
        given_options: Dotted keys.

    Raises:
        ConfigError: A first name that is not in the config, but resembles one that it may have.
    """
    known_names = {*cfg, *inspect.signature(Runner.__init__).parameters, *_READ_TOO}
    for key in given_options:
        first = key.partition('.')[0]
        if first not in known_names and (near := _find_nearest(first, known_names, 0.75)):
            raise ConfigError(f"--cfg-options {key}: the config has no '{first}'. {near}".rstrip())


def _find_nearest(wanted_name: str, known_names: Iterable[str], likeness: float = 0.6) -> str:
    near = difflib.get_close_matches(wanted_name, sorted(known_names), n=3, cutoff=likeness)
    return f'Nearest: {", ".join(near)}. ' if near else ''


def _explain_type(wanted_name: str, kind: str) -> str:
    # Whoever is wrong about letters is often right about the beginning.
    hint = _find_nearest(wanted_name.rpartition('.')[2], _list_names(kind))
    return (
        f"No {kind} is registered as '{wanted_name}'. {hint}A part of your own is found once its "
        'module is imported: name the module in custom_imports.imports of the config, and its '
        'folder in PYTHONPATH.'
    )


def _explain_option(error: TypeError, class_name: str, option: str) -> str | None:
    """Explain an option that a part of the config, or what it extends, does not take."""
    # A class of that name that is no part of a config: an error in code, not in a config.
    parts = [part for part in _list_built_parts(error) if class_name in _list_ancestors(part)]
    if not parts:
        return None
    names = dict.fromkeys(
        name
        for kind in inspect.getmro(parts[-1])
        if '__init__' in vars(kind) and kind is not object
        for name, parameter in inspect.signature(vars(kind)['__init__']).parameters.items()
        if name != 'self'
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )
    names |= dict.fromkeys(getattr(parts[-1], 'MORE_OPTIONS', ()))
    hint = _find_nearest(option, names)
    return f"{parts[-1].__name__} has no option '{option}'. {hint}It takes {', '.join(names)}."


def _list_ancestors(part: type) -> set[str]:
    return {kind.__name__ for kind in inspect.getmro(part)}


def _list_built_parts(error: TypeError) -> Iterator[type]:
    """Yield the classes that registries were building, the outermost first."""
    yield DataLoader  # of the engine's own call
    for frame, _ in traceback.walk_tb(error.__traceback__):
        part = frame.f_locals.get('obj_cls')
        if frame.f_code.co_name == 'build_from_cfg' and inspect.isclass(part):
            yield part


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

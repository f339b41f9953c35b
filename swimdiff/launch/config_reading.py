"""Reading a config that may be built on one of ours, from any folder.

``_base_='swimdiff::swimdiff_r18_seco.py'`` names a config of the toolkit as the command line does.
The engine alone takes only names with a folder in them, only of installed packages, and marks every
part of such a base with a scope, which functions such as those of loader workers do not take.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

from mmengine.config import Config

from swimdiff.launch.paths import SCOPE, find_config

__all__ = ['read_config_file']

#: Parts of a loader whose options are handed to a function.
_FUNCTIONS = ('worker_init_fn', 'collate_fn')


@contextmanager
def _own_bases() -> Iterator[None]:
    """Let the engine find bases of the toolkit by name, for as long as a config is read."""
    engine = Config._get_cfg_path

    def find(name: str, filename: str) -> tuple[str, str | None]:
        if name.startswith(f'{SCOPE}::'):
            return str(find_config(name)), SCOPE
        return engine(name, filename)

    before = logging.root.manager.disable
    Config._get_cfg_path = staticmethod(find)
    # The engine names every variable of the environment each time a config is read.
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        Config._get_cfg_path = staticmethod(engine)
        logging.disable(before)


def _drop_scope(part: Any, everywhere: bool) -> None:
    """Take away marks of our scope: from functions, or from all parts where it is the default."""
    if isinstance(part, dict):
        for key, value in part.items():
            _drop_scope(value, everywhere or key in _FUNCTIONS)
        if everywhere and part.get('_scope_') == SCOPE:
            part.pop('_scope_')
    elif isinstance(part, list | tuple):
        for value in part:
            _drop_scope(value, everywhere)


def read_config_file(name: str | PathLike[str]) -> Config:
    """Read a config by path or name.

    Args:
        name (str | PathLike): As :func:`swimdiff.launch.paths.find_config` takes it.

    Returns:
        Config: With its bases merged.

    Raises:
        ConfigError: There is no such config, or no such base of the toolkit.
    """
    with _own_bases():
        cfg = Config.fromfile(find_config(name))
    # A run writes its config several times, and yapf takes seconds to minutes for what is nested.
    # The engine has an option for it, which it drops for configs of this form.
    object.__setattr__(cfg, '_format_python_code', False)
    _drop_scope(cfg._cfg_dict, cfg.get('default_scope') == SCOPE)
    return cfg

"""Where configs and tools are: beside the package in a checkout, inside it in an installed wheel.

A wheel carries them under ``swimdiff/.mim``, the folder in which MMEngine looks for the files of
another package. A checkout has links at that place, which is all that packaging needs.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from swimdiff.errors import ConfigError

__all__ = ['config_root', 'enable_scope', 'find_config', 'find_tool', 'list_configs', 'list_tools']

PACKAGE = Path(__file__).resolve().parents[1]
SCOPE = 'swimdiff'


def _shipped(folder: str) -> Path:
    """Return the checkout's folder, or the wheel's copy of it."""
    # An installed package has site-packages above it, where a stranger's `configs` may lie: only a
    # project file beside it shows a checkout.
    checkout = PACKAGE.parent
    if (checkout / 'pyproject.toml').is_file() and (checkout / folder).is_dir():
        return checkout / folder
    return PACKAGE / '.mim' / folder


def config_root() -> Path:
    """Return the folder that holds the toolkit's configs."""
    return _shipped('configs')


def list_configs() -> list[str]:
    """Return the configs to run, relative to :func:`config_root`, no ``_base_``."""
    root = config_root()
    files = (path.relative_to(root) for path in root.rglob('*.py'))
    return sorted(path.as_posix() for path in files if '_base_' not in path.parts)


def find_config(name: str | os.PathLike[str]) -> Path:
    """Find a config file from any working folder.

    Args:
        name: A path that exists; a path below the toolkit's configs, with or without ``configs/``
            in front and ``.py`` behind; a bare file name that only one of them has; or any of these
            after ``swimdiff::``.

    Returns:
        The absolute path of the file.

    Raises:
        ConfigError: Nothing or more than one file fits; the message lists the nearest names.
    """
    # Whoever asks for a config is about to load it, and it may be built on one of ours.
    enable_scope()
    given_name = os.fspath(name)
    wanted_name = given_name.removeprefix(f'{SCOPE}::')
    if wanted_name == given_name and Path(given_name).is_file():
        return Path(given_name).absolute()

    root = config_root()
    relative = Path(wanted_name if wanted_name.endswith('.py') else f'{wanted_name}.py')
    if relative.parts[:1] == ('configs',):
        relative = Path(*relative.parts[1:])
    if not relative.is_absolute():
        if (root / relative).is_file():
            return root / relative
        fits = [path for path in list_configs() if Path(path).name == relative.as_posix()]
        if len(fits) == 1:
            return root / fits[0]
        if fits:
            raise ConfigError(
                f'config "{given_name}": {len(fits)} files have this name: {", ".join(fits)}. '
                'Give the folder too.'
            )
    raise ConfigError(_not_found(given_name, relative, root))


def _not_found(given: str, wanted: Path, root: Path) -> str:
    if not root.is_dir():
        return (
            f'config "{given}": no such file, and the toolkit has no configs at {root}. '
            'Install it again with `pip install .` from a complete checkout.'
        )
    configs = list_configs()
    # Compare file names first: people remember `swimdiff_r50`, not the folder it is in.
    by_name = {Path(path).name: path for path in configs}
    near = [
        by_name[hit] for hit in difflib.get_close_matches(wanted.name, by_name, n=5, cutoff=0.5)
    ]
    hint = f'Nearest: {", ".join(near)}' if near else f'There are: {", ".join(configs) or "none"}'
    return f'config "{given}": no such file in {Path.cwd()} nor in {root}. {hint}.'


def list_tools() -> list[str]:
    """Return the names of the command-line tools, without ``.py``, folders in front.

    Benchmarks are for those who develop the toolkit: :func:`find_tool` finds them, nothing lists
    them.
    """
    return [name for name in _list_scripts() if not name.startswith('benchmarks/')]


def _list_scripts() -> list[str]:
    root = _shipped('tools')
    scripts = (path.relative_to(root).with_suffix('') for path in root.rglob('*.py'))
    return sorted(path.as_posix() for path in scripts if not path.name.startswith('_'))


def find_tool(name: str) -> Path:
    """Find the file of a command-line tool.

    Args:
        name: As :func:`list_tools` gives it; the folder may be left out where that is unambiguous.

    Returns:
        The absolute path of the file.

    Raises:
        ConfigError: There is no such tool; the message lists the nearest names.
    """
    wanted_name = name.removesuffix('.py').removeprefix('tools/').replace('-', '_')
    scripts, tool_names = _list_scripts(), list_tools()
    fits = [tool for tool in scripts if tool == wanted_name] or [
        tool for tool in scripts if Path(tool).name == wanted_name
    ]
    if len(fits) == 1:
        return _shipped('tools') / f'{fits[0]}.py'
    if fits:
        raise ConfigError(
            f'tool "{name}": several of this name. Give the folder: {", ".join(fits)}.'
        )
    # People remember the name, not the folder that it is in.
    by_name = {Path(tool).name: tool for tool in tool_names} | {tool: tool for tool in tool_names}
    hits = difflib.get_close_matches(wanted_name, by_name, n=3, cutoff=0.5)
    near = list(dict.fromkeys(by_name[hit] for hit in hits))
    hint = f'Nearest: {", ".join(near)}' if near else f'There are: doctor, {", ".join(tool_names)}'
    raise ConfigError(f'tool "{name}": none of this name. {hint}.')


def enable_scope() -> None:
    """Let configs of other projects name ours: ``swimdiff::_base_/...``.

    MMEngine resolves only packages in a table of its own, and only names with a folder in them; a
    config at the top is ``swimdiff::_base_/../swimdiff_r50_seco.py``.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE.setdefault(SCOPE, SCOPE)

"""The commands of ``python -m swimdiff``: the tools in groups, with one line each.

Nothing of a tool is imported: its line is the first one of its docstring.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from swimdiff.launch.paths import find_tool, list_tools

__all__ = ['GROUPS', 'Command', 'list_commands', 'write_overview']

#: Title of each group and its commands, in the order in which they are listed. A command that is in
#: none of them is listed last, under `OTHERS`.
GROUPS: dict[str, tuple[str, ...]] = {
    'begin': ('doctor', 'quickstart', 'download'),
    'data': (
        'browse_dataset',
        'pack',
        'compute_stats',
        'make_list',
    ),
    'train and test': ('train', 'test', 'print_config', 'study', 'probe'),
    'use what was learned': (
        'predict',
        'embed',
        'search',
        'cluster',
        'publish_backbone',
        'export_onnx',
    ),
    'look at a run': (
        'report',
        'pretraining_picture',
        'restoration_picture',
        'detail_picture',
    ),
}
OTHERS = 'more'


@dataclass(frozen=True)
class Command:
    """Hold a command with its line of help.

    Args:
        name: As ``python -m swimdiff`` takes it.
        group: Title of its group.
        about: What it is for, one line.
    """

    name: str
    group: str
    about: str


def list_commands() -> list[Command]:
    """Return all commands, group by group."""
    tools = ['doctor', *map(shorten_name, list_tools())]
    commands = [
        Command(name, group, describe_command(name))
        for group, names in GROUPS.items()
        for name in names
        if name in tools
    ]
    grouped_names = {command.name for command in commands}
    return commands + [
        Command(name, OTHERS, describe_command(name)) for name in tools if name not in grouped_names
    ]


def shorten_name(tool: str) -> str:
    """Return the name of a tool without its folder.

    :func:`find_tool` does not need the folder.

    Args:
        tool: As :func:`list_tools` gives it.
    """
    name = tool.rpartition('/')[2]
    return name if sum(each.rpartition('/')[2] == name for each in list_tools()) == 1 else tool


def describe_command(name: str) -> str:
    """Return the first line of a command's docstring.

    Args:
        name: As :func:`list_commands` gives it.
    """
    path = Path(__file__).with_name('doctor.py') if name == 'doctor' else find_tool(name)
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    return ' '.join(text.partition('\n\n')[0].split()).rstrip('.')


def write_overview() -> str:
    """Return the help of ``python -m swimdiff``: the groups and their commands."""
    commands = list_commands()
    width = max(len(command.name) for command in commands)
    lines: list[str] = []
    for command in commands:
        title = f'\n{command.group}'
        if title not in lines:
            lines.append(title)
        lines.append(f'  {command.name:<{width}}  {command.about}')
    return '\n'.join(lines).strip('\n')

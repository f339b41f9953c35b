"""Make the page of the command-line tools, each with what its ``--help`` prints."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from site_pages import ROOT, write_table

__all__ = ['make_tool_page', 'print_help']

_INTRO = """# Tools

`python -m swimdiff TOOL ...` runs a tool from any folder, `python tools/TOOL.py ...` from a
checkout. An unknown name is answered with the nearest ones. The texts below are what `--help`
prints."""
#: Shell scripts are described by the comments at their beginning.
_SCRIPTS = (
    'dist_train',
    'dist_test',
    'slurm_train',
    'slurm_requeue',
    'slurm_predict',
    'install',
    'quickstart',
    'run_tests',
    'build_docs',
)


def make_tool_page() -> dict[str, str]:
    """Return the page of the tools; each of them is loaded once, in this process."""
    from swimdiff.commands import list_commands
    from swimdiff.launch.paths import find_tool

    commands = list_commands()
    blocks, rows = [], []
    for command in commands:
        doctor = command.name == 'doctor'
        path = ROOT / 'swimdiff' / 'doctor.py' if doctor else find_tool(command.name)
        name = 'python -m swimdiff doctor' if doctor else f'python {path.relative_to(ROOT)}'
        anchor = command.name.rpartition('/')[2].replace('_', '-')
        rows.append([f'[`{command.name}`](#{anchor})', command.about])
        text = print_help(path, name.removeprefix('python '))
        blocks.append(f'## {command.name} {{ #{anchor} }}\n\n```text\n{text}\n```')
    for script in _SCRIPTS:
        anchor = f'{script.replace("_", "-")}-sh'
        text = read_header(ROOT / 'tools' / f'{script}.sh')
        about = re.split(r'[.:;]\s|[.:;]$', text)[0].replace('\n', ' ')
        rows.append([f'[`{script}.sh`](#{anchor})', about])
        blocks.append(f'## {script}.sh {{ #{anchor} }}\n\n```text\n{text}\n```')
    table = write_table(['tool', 'what it is for'], rows)
    return {'reference/tools.md': '\n\n'.join([_INTRO, table, *blocks]) + '\n'}


def print_help(path: Path, name: str) -> str:
    """Return what a tool prints for ``--help``, in lines of at most 100 characters.

    Args:
        path: The tool.
        name: Name of the program in its first line.
    """
    printed = io.StringIO()
    with keep_imports(path), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        sys.argv[:] = [name, '--help']
        runpy.run_path(str(path), run_name='__main__')
    return printed.getvalue().strip().replace(str(ROOT), '.')


@contextlib.contextmanager
def keep_imports(path: Path) -> Iterator[None]:
    """Let a tool import its neighbours, and restore the search path and arguments afterwards."""
    before, arguments = list(sys.path), list(sys.argv)
    sys.path[:0] = [str(path.parent), str(ROOT)]
    try:
        # argparse breaks lines by the width of the terminal, which a build has none of.
        with mock.patch.dict(os.environ, {'COLUMNS': '100', 'NO_COLOR': '1'}):
            yield
    finally:
        sys.path[:], sys.argv[:] = before, arguments


def read_header(path: Path) -> str:
    """Return the comments at the beginning of a shell script.

    Args:
        path: The script.
    """
    lines = []
    for line in path.read_text().splitlines()[1:]:
        if not line.startswith('#'):
            break
        if not line.startswith('#SBATCH'):
            lines.append(line.removeprefix('#').removeprefix(' '))
    return '\n'.join(lines)

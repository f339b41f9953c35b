"""Run a tool by name from any folder: ``python -m swimdiff TOOL [arguments]``.

``python -m swimdiff train swimdiff_r18_seco.py`` is ``python tools/train.py ...`` of the checkout,
or of the copy that an installed wheel carries.
"""

from __future__ import annotations

import runpy
import sys

from swimdiff.commands import write_overview
from swimdiff.errors import ConfigError
from swimdiff.launch.interrupts import answer_interrupts
from swimdiff.launch.paths import find_tool

__all__ = ['main']

USAGE = 'usage: python -m swimdiff TOOL [arguments]'
EPILOG = """`python -m swimdiff TOOL -h` says more of a tool.

examples:
  python -m swimdiff doctor
  python -m swimdiff print_config swimdiff_r18_raster-scenes"""


def main(arguments: list[str]) -> int:
    """Run the tool that the first argument names.

    Args:
        arguments: Name of the tool, then whatever the tool takes.

    Returns:
        Exit code: 0, or 2 where there is no such tool. A tool that exits itself ends the process.
    """
    if not arguments or arguments[0] in ('-h', '--help'):
        print(f'{USAGE}\n\n{write_overview()}\n\n{EPILOG}')
        return 0
    name, *rest = arguments
    if name == 'doctor':
        from swimdiff import doctor

        return doctor.main(rest)
    try:
        path = find_tool(name)
    except ConfigError as error:
        print(f'{USAGE}\n{error}', file=sys.stderr)
        return 2
    sys.argv = [str(path), *rest]
    # As `python tools/train.py` does: a tool may import its neighbours.
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name='__main__')
    return 0


if __name__ == '__main__':
    with answer_interrupts():
        sys.exit(main(sys.argv[1:]))

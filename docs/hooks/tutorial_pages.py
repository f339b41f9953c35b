"""Make pages of the tutorials: notebooks that are kept as plain Python (jupytext, py:percent).

A page shows what `docs/tutorials/NAME.py` holds; nothing is executed while the site is built. What
a tutorial printed and drew when `execute_tutorials.py` ran it is shown below each block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tutorial_records import IMAGES, TUTORIALS, list_code_cells, read_record

__all__ = ['make_tutorial_pages', 'write_notebook', 'write_page']

#: Longest printed text of a cell, in lines.
_MOST_LINES = 40


def make_tutorial_pages() -> dict[str, str]:
    """Return path below docs/ and Markdown of each tutorial."""
    sources = sorted(TUTORIALS.glob('*.py'))
    return {f'tutorials/{source.stem}.md': write_page(source) for source in sources}


def write_page(source: Path, images: Path = IMAGES) -> str:
    """Return the page of a tutorial: title, how to run it, then its cells.

    Args:
        source: The tutorial.
        images: Folder of the records.
    """
    import jupytext

    notebook = jupytext.read(source, fmt='py:percent')
    record = read_record(source.stem, notebook, images)
    hint = (
        f'!!! info "Run it"\n    This page is the notebook `docs/tutorials/{source.name}`. '
        f'`jupytext --to ipynb docs/tutorials/{source.name}` makes a notebook for Jupyter, '
        f'`python docs/tutorials/{source.name}` runs it as a script.\n\n    {say_origin(record)}'
    )
    title, *rest = write_notebook(notebook, record).split('\n\n', 1)
    return '\n\n'.join([title, hint, *rest]) + '\n'


def say_origin(record: dict[str, Any] | None) -> str:
    """Return a paragraph about when and on what the shown results came about.

    Args:
        record: Of the tutorial, None where its code has changed since.
    """
    if record is None:
        return (
            'No results are shown: the code has changed since it was last executed for this page '
            '(`python docs/hooks/execute_tutorials.py`).'
        )
    hardware = record['hardware']
    return (
        f'What is shown below it printed and drew on {record["date"][:10]} at commit '
        f'`{record["commit"]}`: {record["processor_seconds"]} processor seconds with '
        f'{hardware["threads"]} computing thread(s), {record["seconds"]} seconds by the clock, on '
        f'{hardware["cores"]} cores of an {hardware["cpu"]} that had other work, too (load '
        f'{hardware["load"]:.1f} at the start). Pictures: contains modified Copernicus Sentinel '
        'data 2017; polygons from OpenStreetMap contributors (ODbL).'
    )


def write_notebook(notebook: Any, record: dict[str, Any] | None = None) -> str:
    """Return a notebook as Markdown.

    Args:
        notebook: As jupytext reads it.
        record: What its cells printed and drew, see :func:`read_record`.
    """
    blocks, heading = [], ''
    left = iter(record['cells'] if record else [{}] * len(list_code_cells(notebook)))
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            blocks.append(cell.source.strip())
            titles = [line for line in cell.source.splitlines() if line.startswith('#')]
            heading = titles[-1].lstrip('# ') if titles else heading
        elif cell.cell_type == 'code' and cell.source.strip():
            blocks.append(f'```python\n{cell.source.strip()}\n```')
            blocks += write_outputs(next(left), heading)
    return '\n\n'.join(blocks)


def write_outputs(left: dict[str, Any], heading: str) -> list[str]:
    """Return what a cell printed and drew as blocks of Markdown.

    Args:
        left: Its ``text`` and ``pictures``; empty for a cell that was not executed.
        heading: Of the section, for readers who cannot see the pictures.
    """
    lines = left.get('text', '').strip('\n').splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES // 2], '...', *lines[-_MOST_LINES // 2 :]]
    printed = ['```text\n' + '\n'.join(lines) + '\n```'] if lines else []
    pictures = left.get('pictures', ())
    return printed + [f'![{heading}: drawn by the block above](images/{p})' for p in pictures]

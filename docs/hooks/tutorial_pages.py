"""Make pages of the tutorials: notebooks that are kept as plain Python (jupytext, py:percent).

A page shows what `docs/tutorials/NAME.py` holds; nothing is executed while the site is built. Where
an executed notebook `docs/tutorials/NAME.ipynb` lies beside it, its printed text and pictures are
shown below each block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from site_pages import ROOT

__all__ = ['make_tutorial_pages', 'write_notebook']

#: Longest printed text of a cell, in lines.
_MOST_LINES = 40


def make_tutorial_pages() -> dict[str, str]:
    """Return path below docs/ and Markdown of each tutorial."""
    import jupytext

    folder = ROOT / 'docs' / 'tutorials'
    pages = {}
    for source in sorted(folder.glob('*.py')):
        notebook = read_executed(source) or jupytext.read(source, fmt='py:percent')
        hint = (
            f'!!! info "Run it"\n    This page is the notebook `docs/tutorials/{source.name}`. '
            f'`jupytext --to ipynb docs/tutorials/{source.name}` makes a notebook for Jupyter, '
            f'`python docs/tutorials/{source.name}` runs it as a script.'
        )
        title, *rest = write_notebook(notebook).split('\n\n', 1)
        pages[f'tutorials/{source.stem}.md'] = '\n\n'.join([title, hint, *rest]) + '\n'
    return pages


def read_executed(source: Path) -> Any | None:
    """Return the executed notebook beside a tutorial, None where there is none that fits.

    Args:
        source: The tutorial.
    """
    import jupytext
    import nbformat

    path = source.with_suffix('.ipynb')
    if not path.is_file():
        return None
    executed = nbformat.read(path, as_version=4)
    written = jupytext.read(source, fmt='py:percent')
    # A notebook that was executed before the tutorial was changed shows what is no longer there.
    same = [cell.source for cell in executed.cells] == [cell.source for cell in written.cells]
    return executed if same else None


def write_notebook(notebook: Any) -> str:
    """Return a notebook as Markdown.

    Args:
        notebook: As nbformat reads it.
    """
    blocks = []
    for cell in notebook.cells:
        if cell.cell_type == 'code' and cell.source.strip():
            blocks.append(f'```python\n{cell.source.strip()}\n```')
            blocks += [write_output(output) for output in cell.get('outputs', [])]
        elif cell.cell_type == 'markdown':
            blocks.append(cell.source.strip())
    return '\n\n'.join(block for block in blocks if block)


def write_output(output: Any) -> str:
    """Return what a cell printed or drew as Markdown, '' where it can not be shown.

    Args:
        output: As nbformat reads it.
    """
    data = output.get('data', {})
    if 'image/png' in data:
        # Within the page: a picture of a few hundred kB at most, and no file to keep track of.
        picture = data['image/png'].strip()
        return f'<img alt="drawn by the block above" src="data:image/png;base64,{picture}">'
    text = output.get('text') or data.get('text/plain') or ''
    lines = text.strip('\n').splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES // 2], '...', *lines[-_MOST_LINES // 2 :]]
    return '```text\n' + '\n'.join(lines) + '\n```' if lines else ''

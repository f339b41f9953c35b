"""Keep what a tutorial printed and drew, so that its page can show it without running it.

A record is `docs/tutorials/images/NAME.json`, with its pictures beside it. It holds for the code
that it was made from: after a change of the code the page shows nothing of it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from site_pages import ROOT

__all__ = ['IMAGES', 'TUTORIALS', 'digest_code', 'list_code_cells', 'read_record']

TUTORIALS = ROOT / 'docs' / 'tutorials'
IMAGES = TUTORIALS / 'images'


def list_code_cells(notebook: Any) -> list[Any]:
    """Return the cells of a notebook that run.

    Args:
        notebook: As jupytext or nbformat reads it.
    """
    return [cell for cell in notebook.cells if cell.cell_type == 'code' and cell.source.strip()]


def digest_code(notebook: Any) -> str:
    """Return 16 hex digits over the code of a notebook; its prose may change.

    Args:
        notebook: As jupytext or nbformat reads it.
    """
    code = '\n# %%\n'.join(cell.source.strip() for cell in list_code_cells(notebook))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def read_record(name: str, notebook: Any, folder: Path = IMAGES) -> dict[str, Any] | None:
    """Return what a tutorial left when it was executed, None where that was another code.

    Args:
        name: Of the tutorial, without suffix.
        notebook: The tutorial as it is now.
        folder: Folder of the records.
    """
    path = folder / f'{name}.json'
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return record if record['code'] == digest_code(notebook) else None

"""Make the page that lists the configs: each with what it inherits and what its first lines say."""

from __future__ import annotations

import ast
from pathlib import Path

from site_pages import ROOT, write_table

__all__ = ['make_config_page']

_INTRO = """# Configs

A config is named by its path or its name alone: `python tools/train.py swimdiff_r50_seco`. A
config of your own may lie anywhere and inherit from these: `_base_ =
'swimdiff::swimdiff_r50_seco.py'`. [How configs are written](../../configs/README.md) explains
names, ablations and swapping a part; `python tools/print_config.py CONFIG` prints a config with
all that it inherits."""

_FOLDERS = {
    '.': 'Pre-training',
    'baselines': 'Other self-supervised methods',
    'large_scale': 'Many GPUs, large backbones',
    'change_detection': 'Change detection',
    'classification': 'Classification',
    'studies': 'Plans of studies',
    '_base_': 'Pieces to inherit from',
}


def make_config_page() -> dict[str, str]:
    """Return the page of all configs below configs/, folder by folder."""
    root = ROOT / 'configs'
    groups: dict[str, list[list[str]]] = {}
    for path in sorted(root.rglob('*.py')):
        inner = path.relative_to(root)
        folder = inner.parts[0] if len(inner.parts) > 1 else '.'
        bases = ', '.join(f'`{Path(base).stem}`' for base in list_bases(path))
        link = f'[`{inner.as_posix()}`](../../configs/{inner.as_posix()})'
        groups.setdefault(folder, []).append([link, bases, read_comment(path)])
    order = [*_FOLDERS, *sorted(set(groups) - set(_FOLDERS))]
    blocks = [_INTRO]
    for folder in order:
        if folder in groups:
            table = write_table(['config', 'inherits from', 'in its own words'], groups[folder])
            blocks.append(f'## {_FOLDERS.get(folder, folder)}\n\n{table}')
    return {'reference/configs.md': '\n\n'.join(blocks) + '\n'}


def list_bases(path: Path) -> list[str]:
    """Return the configs that a config inherits from, as it names them.

    Args:
        path: The config.
    """
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_':
            value = ast.literal_eval(node.value)
            return [value] if isinstance(value, str) else list(value)
    return []


def read_comment(path: Path) -> str:
    """Return the comment at the beginning of a config as one line, '' where there is none.

    Args:
        path: The config.
    """
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith('#'):
            break
        lines.append(line.lstrip('# '))
    return ' '.join(lines)

"""Make the reference of registered parts: one page per group of registries, from the code.

Nothing is imported: the decorators are read from the source, the docstrings by mkdocstrings.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from site_pages import ROOT, first_sentence, write_table

__all__ = ['Part', 'find_parts', 'make_part_pages', 'make_python_page']

#: File name, title, registries and introduction of each page.
GROUPS = [
    (
        'data-sets',
        'Data sets',
        ['DATASETS'],
        'Named by `type` in `train_dataloader.dataset`, `val_dataloader.dataset` or '
        '`test_dataloader.dataset`.',
    ),
    (
        'scene-definitions',
        'Scene definitions',
        ['TASK_UTILS'],
        'Named by `type` in `train_dataloader.dataset.scene`. [Scenes and mates]'
        '(../../concepts/scenes.md) says what they are for.',
    ),
    (
        'transforms',
        'Transforms',
        ['TRANSFORMS', 'DEVICE_TRANSFORMS'],
        'Steps of a `pipeline`, in its order.',
    ),
    (
        'models',
        'Models and their parts',
        ['MODELS', 'WEIGHT_INITIALIZERS', 'NOISE_SCHEDULES'],
        'Named by `type` below `model`, and in `data_preprocessor`.',
    ),
    (
        'label-rules',
        'Label rules',
        ['LABEL_RULES'],
        'Named in `model.head.rule`. [The method](../../concepts/method.md#contrastive-branch) '
        'has the formulas.',
    ),
    (
        'hooks',
        'Hooks',
        ['HOOKS'],
        'Entries of `default_hooks` and `custom_hooks`. [Watch a run](../../how-to/monitoring.md) '
        'says what the guards do.',
    ),
    (
        'running',
        'Loops, samplers, optimisers',
        ['LOOPS', 'DATA_SAMPLERS', 'OPTIMIZERS', 'OPTIM_WRAPPERS', 'STRATEGIES', 'FUNCTIONS'],
        'What carries a run: `train_cfg`, `train_dataloader.sampler`, `optim_wrapper`, `strategy`.',
    ),
    (
        'metrics',
        'Metrics and measurements',
        ['METRICS', 'MEASUREMENTS', 'VISUALIZERS'],
        'Metrics are named in `val_evaluator` and `test_evaluator`, measurements in the plan of a '
        '[study](../../how-to/studies.md).',
    ),
]


@dataclass(frozen=True)
class Part:
    """A registered class or function.

    Args:
        registry: Name of its registry, such as ``MODELS``.
        names: Names that a config gives.
        path: Import path, such as ``swimdiff.models.swimdiff.SwiMDiff``.
        about: First sentence of its docstring.
        is_class: False for a function.
    """

    registry: str
    names: tuple[str, ...]
    path: str
    about: str
    is_class: bool


def find_parts(package: Path) -> list[Part]:
    """Return all registered parts of a package, by registry and name.

    Args:
        package: Folder of the package.
    """
    parts = []
    for file in sorted(package.rglob('*.py')):
        module = '.'.join(file.relative_to(package.parent).with_suffix('').parts)
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                parts += [read_part(node, call, module) for call in find_registrations(node)]
    return sorted(parts, key=lambda part: (part.registry, part.names[0].lower()))


def find_registrations(node: ast.ClassDef | ast.FunctionDef) -> list[ast.Call]:
    """Return the decorators ``@REGISTRY.register_module(...)`` of a class or function."""
    calls = [item for item in node.decorator_list if isinstance(item, ast.Call)]
    return [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == 'register_module'
    ]


def read_part(node: ast.ClassDef | ast.FunctionDef, call: ast.Call, module: str) -> Part:
    """Return the part that a decorator registers."""
    given = [*call.args, *(word.value for word in call.keywords if word.arg == 'name')]
    value = ast.literal_eval(given[0]) if given else node.name
    names = (value,) if isinstance(value, str) else tuple(value)
    registry = ast.unparse(call.func.value).rpartition('.')[2]
    about = first_sentence(ast.get_docstring(node))
    return Part(registry, names, f'{module}.{node.name}', about, isinstance(node, ast.ClassDef))


def make_part_pages() -> dict[str, str]:
    """Return path below docs/ and Markdown of each page of parts."""
    parts = find_parts(ROOT / 'swimdiff')
    known = {registry for _, _, registries, _ in GROUPS for registry in registries}
    # A registry that is added later gets a page of its own until a group takes it.
    later = sorted({part.registry for part in parts} - known)
    groups = [
        *GROUPS,
        *((name.lower().replace('_', '-'), name, [name], '') for name in later),
    ]
    pages = {}
    for file, title, registries, intro in groups:
        chosen = [part for name in registries for part in parts if part.registry == name]
        if chosen:
            pages[f'reference/parts/{file}.md'] = write_page(title, intro, chosen)
    return pages


def write_page(title: str, intro: str, parts: list[Part]) -> str:
    """Return a page: a table of the parts, then each with its keys."""
    rows = [[f'[`{part.names[0]}`](#{anchor_of(part)})', part.about] for part in parts]
    blocks = [write_block(part) for part in parts]
    table = write_table(['`type`', 'what it does'], rows)
    return '\n\n'.join([f'# {title}', intro, table, *blocks]) + '\n'


def anchor_of(part: Part) -> str:
    """Return the anchor of a part within its page."""
    return f'{part.registry.lower()}-{part.names[0].lower()}'.replace('_', '-')


def write_block(part: Part) -> str:
    """Return heading, names and docstring of one part."""
    others = ', '.join(f'`{name}`' for name in part.names[1:])
    also = f' Also named {others}.' if others else ''
    return (
        f'## {part.names[0]} {{ #{anchor_of(part)} }}\n\n'
        f'`{part.path}`, registry `{part.registry}`.{also}\n\n::: {part.path}'
    )


def make_python_page() -> dict[str, str]:
    """Return the page of the functions for scripts and notebooks (``swimdiff.apis``)."""
    blocks = ['# Functions for scripts and notebooks', 'Everything in `swimdiff.apis`.']
    for file in sorted((ROOT / 'swimdiff' / 'apis').glob('*.py')):
        module = f'swimdiff.apis.{file.stem}'
        for node in ast.parse(file.read_text()).body:
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef)
                and not node.name.startswith('_')
                and ast.get_docstring(node)
            ):
                blocks.append(f'## {node.name}\n\n`from {module} import {node.name}`')
                blocks.append(
                    f'::: {module}.{node.name}\n    options:\n      show_root_heading: false'
                )
    return {'reference/python.md': '\n\n'.join(blocks) + '\n'}

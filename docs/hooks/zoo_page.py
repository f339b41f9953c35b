"""Make the zoo page from configs/**/metafile.yml and the result files of studies.

Numbers come from these files alone: what this project has measured, with the command that measures
it. A model or plan without results is listed as owed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from config_pages import read_comment
from site_pages import ROOT, write_table

__all__ = ['list_models', 'make_zoo_page']

_INTRO = """# Zoo: trained models and measured scores

Every number on this page was measured by this project, and is read from a file of results when
the page is made. Models of the main configs have not been trained for their full schedules yet:
no weights are published, and their rows say *owed*. Figures that the paper reports are [quoted
elsewhere](../concepts/method.md#reported-figures)."""
_STUDIES = """## Measured in studies

Short trainings on two CPU cores, made to compare variants, not to give weights away. [Does
the method hold](claim.md) explains data and set-up and says how far the numbers go. Accuracy in
per cent; the random rows are the floor that a pre-training has to pass."""


def make_zoo_page() -> dict[str, str]:
    """Return the zoo page."""
    blocks = [_INTRO, _STUDIES]
    results = sorted((ROOT / 'docs' / 'studies').glob('*.jsonl'))
    blocks += [write_study(path) for path in results]
    blocks += ['## Models', write_models(), '## Studies that are owed']
    blocks.append(write_owed({path.stem for path in results}))
    return {'evidence/zoo.md': '\n\n'.join(blocks) + '\n'}


def write_study(path: Path) -> str:
    """Return the section of a study: its command, its table, what it was run with.

    Args:
        path: File of results, named after its plan.
    """
    from swimdiff.studies import Study, collect_scores, read_plan
    from swimdiff.studies import write_table as write_scores

    (plan_file,) = (ROOT / 'configs' / 'studies').rglob(f'{path.stem}.py')
    study = Study(read_plan(plan_file), path.parent, path, 1, say=lambda line: None)
    scores = collect_scores(study.cells, study.results.read_lines())
    # Means of the log say how a run went, not what its features are worth; they are the only scores
    # of some plans.
    probes = [f'{name}.*' for name in scores.columns if name != 'log']
    title = f'{study.plan.images:,} images per training'
    table = write_scores(scores, study.plan.baseline, title, True, probes or ['log.*'])
    records = [json.loads(line) for line in path.read_text().splitlines()]
    about, variables = split_comment(read_comment(plan_file))
    run = f'{variables}python tools/study.py {plan_file.relative_to(ROOT).as_posix()}'
    commands = f'{run}\n{run} --markdown \\\n    --results docs/studies/{path.name}'
    commits = name_all(record['commit'] for record in records)
    processors = name_all(record['hardware']['cpu'] for record in records)
    torch = name_all(record['stack']['torch'] for record in records)
    return '\n\n'.join(
        [
            f'### {path.stem}',
            about,
            f'```bash\n{commands}\n```',
            table,
            f'Commits {commits}; {processors}; torch {torch}.',
        ]
    )


def split_comment(comment: str) -> tuple[str, str]:
    """Return the words of a plan's comment, and the variables before its command.

    Args:
        comment: As ``read_comment`` gives it, on one line.
    """
    command = re.search(r'\s*(?:export )?((?:[A-Z][A-Z0-9_]*=\S+ )*)python tools/', comment)
    return (comment[: command.start()], command[1]) if command else (comment, '')


def name_all(values: Any) -> str:
    """Return the different values of some records in order, separated by commas."""
    return ', '.join(dict.fromkeys(map(str, values)))


def list_models() -> list[dict[str, Any]]:
    """Return the models of all metafile.yml below configs/, as they are written there."""
    models: list[dict[str, Any]] = []
    for path in sorted((ROOT / 'configs').rglob('metafile.yml')):
        models += yaml.safe_load(path.read_text()).get('Models') or []
    return models


def write_models() -> str:
    """Return the table of models: results or *owed*, and the command that trains each."""
    rows = []
    for model in list_models():
        config = model['Config']
        results = [
            f'{result["Dataset"]}: {name}: {value}'
            for result in model.get('Results') or []
            for name, value in result['Metrics'].items()
        ]
        about = model.get('Metadata') or {}
        weights = f'[weights]({model["Weights"]})' if model.get('Weights') else '*owed*'
        rows.append(
            [
                f'[`{model["Name"]}`](../../{config})',
                f'{about.get("Epochs", "")}',
                f'{about.get("Batch Size", "")}',
                '; '.join(results) or '*owed*',
                weights,
                f'`python tools/train.py {config}`',
            ]
        )
    head = ['config', 'epochs', 'batch', 'results', 'weights', 'command']
    return write_table(head, rows)


def write_owed(finished: set[str]) -> str:
    """Return the table of plans of studies that have no results yet.

    Args:
        finished: Names of the plans that have.
    """
    folder = ROOT / 'configs' / 'studies'
    rows = []
    for path in sorted(folder.rglob('*.py')):
        # A file without variants is a piece that plans inherit from.
        if path.stem in finished or 'variants = ' not in path.read_text():
            continue
        inner = path.relative_to(ROOT)
        question = read_comment(path).partition('? ')
        about = question[0] + question[1].strip()
        link = f'[`{path.stem}`](../../{inner})'
        rows.append([link, about, '*owed*', f'`python tools/study.py {inner}`'])
    return write_table(['plan', 'question', 'results', 'command'], rows)

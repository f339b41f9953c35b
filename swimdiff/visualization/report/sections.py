"""The sections of the report: values are gathered here, templates make the page of them.

What a run does not have is left out or said.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from swimdiff.pages import render_template
from swimdiff.visualization.report.charts import Chart, draw_chart
from swimdiff.visualization.report.pictures import Picture
from swimdiff.visualization.report.record import RunRecord
from swimdiff.visualization.report.run_charts import (
    list_score_charts,
    list_throughput_charts,
    list_training_charts,
)
from swimdiff.visualization.report.verdicts import verdicts

__all__ = [
    'charts_section',
    'config_section',
    'denoising_section',
    'guards_section',
    'messages_section',
    'probe_section',
    'render_part',
    'stack_section',
    'throughput_section',
    'tiles_section',
    'views_section',
]

_TEMPLATES = Path(__file__).parent / 'templates'
#: Warnings and errors that are shown, the newest.
_MOST_MESSAGES = 25


def render_part(name: str, /, **values: Any) -> Markup:
    """Fill a template of the report.

    Args:
        name: File name without ``.html.jinja``.
        **values: Values for it; text is escaped.
    """
    return render_template(_TEMPLATES, f'{name}.html.jinja', **values)


def _render_charts(title: str, sub: str, charts: Sequence[Chart]) -> Markup:
    drawn_charts = [(chart, draw_chart(chart)) for chart in charts if chart.curves]
    return render_part('charts', title=title, sub=sub, charts=drawn_charts)


def _describe_duration(seconds: float) -> str:
    if seconds < 90:
        return f'{seconds:.0f} s'
    if seconds < 5400:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h' if seconds < 172800 else f'{seconds / 86400:.1f} days'


def tiles_section(record: RunRecord) -> Markup:
    """Show the numbers that a reader looks for first."""
    tiles: list[tuple[str, str]] = []
    train, loss = record.train, record.train.get('loss')
    if loss is not None:
        total = record.facts.get('max_iters')
        tiles.append(
            (f'{int(loss.steps[-1]):,}', f'iterations of {total:,}' if total else 'iterations')
        )
    starts = '' if record.starts == 1 else f' in {record.starts} starts'
    tiles.append((_describe_duration(record.seconds), f'run time{starts}'))
    if 'images_per_s' in train:
        tiles.append((f'{np.median(train["images_per_s"].values):,.1f}', 'images/s (median)'))
    for name, title in (
        ('loss_contrast', 'contrastive loss (last)'),
        ('loss_diffusion', 'diffusion loss (last)'),
        ('diffusion_relative_error', 'error of the denoising (last; 1: no network)'),
    ):
        if name in train:
            tiles.append((f'{train[name].last:.3f}', title))
    if not {'loss_contrast', 'loss_diffusion'} & set(train) and loss is not None:
        tiles.append((f'{loss.last:.3f}', 'loss (last)'))
    if 'knn/top1' in record.evaluation:
        curve = record.evaluation['knn/top1']
        best = int(curve.values.argmax())
        tiles.append((f'{curve.values[best]:.1f} %', f'best kNN, epoch {curve.steps[best]:.0f}'))
    return render_part('tiles', tiles=tiles)


def guards_section(record: RunRecord) -> Markup:
    """Show what each guard found, one line per guard."""
    return render_part('health', verdicts=verdicts(record))


def charts_section(record: RunRecord) -> Markup:
    """Draw losses, learning rate, mates, spread of the keys."""
    note = 'Faint: as logged; strong: running mean'
    return _render_charts('Training', note, list_training_charts(record))


def probe_section(record: RunRecord) -> Markup:
    """Draw the online probe with its floors, and whatever else was scored."""
    curves, charts = record.evaluation, list_score_charts(record)
    if not charts:
        return Markup()
    notes = []
    if 'knn/samples' in curves:
        notes.append(f'{curves["knn/samples"].last:.0f} labelled images scored')
    if 'knn/time_share' in curves:
        notes.append(f'probes took {curves["knn/time_share"].last:.1%} of the run time')
    return _render_charts('Probe and validation', '; '.join(notes), charts)


def throughput_section(record: RunRecord) -> Markup:
    """Draw how fast the run was, and what it waited for."""
    return _render_charts('Throughput', '', list_throughput_charts(record))


def views_section(pairs: Sequence[Sequence[Picture]]) -> Markup:
    """Show query and key views side by side."""
    return render_part('views', pairs=pairs)


def denoising_section(rows: Sequence[Sequence[Picture]]) -> Markup:
    """Show noised views, estimates, and estimates from another image's features."""
    return render_part('denoising', rows=rows)


def messages_section(record: RunRecord) -> Markup:
    """Show warnings and errors of the log."""
    if not record.messages:
        return Markup()
    return render_part('messages', messages=record.messages[-_MOST_MESSAGES:])


def stack_section(record: RunRecord) -> Markup:
    """Show software, commit and command."""
    facts = {key: record.facts[key] for key in ('command', 'processes') if key in record.facts}
    facts |= record.facts.get('stack') or {}
    return render_part('stack', facts=facts) if facts else Markup()


def config_section(record: RunRecord) -> Markup:
    """Show the config as it ran."""
    if record.config is None:
        return Markup()
    return render_part('config', text=record.config.pretty_text)

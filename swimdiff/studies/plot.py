"""The results of a study as a picture: each seed, the means, and the paired differences."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swimdiff.errors import ConfigError
from swimdiff.studies.summary import Scores, summarise
from swimdiff.studies.table import list_columns

__all__ = ['draw_plot']

_INK, _FAINT, _POINT, _MEAN = '#222222', '#bbbbbb', '#3b73b9', '#c1440e'


def draw_plot(
    scores: Scores,
    baseline: str | None,
    title: str,
    path: Path,
    patterns: Sequence[str] | None = None,
) -> None:
    """Draw a row of two charts for each score.

    Left: a point for each seed and a bar for the mean, floors included. Right, where there is a
    baseline: the paired difference of each other variant to it, a point for each seed, with the
    95 % interval of the mean; nothing where the baseline has no such score.

    Args:
        scores (Scores): Of a plan.
        baseline (str, optional): The row that the others are compared with.
        title (str): Written above all charts.
        path (Path): File to write; its ending names the format.
        patterns (Sequence[str], optional): See :func:`swimdiff.studies.table.list_columns`.

    Raises:
        ConfigError: There is no score to draw.
    """
    columns = list_columns(scores, patterns)
    if not columns:
        raise ConfigError(
            f'--plot {path}: there is no score to draw. Run the study first, or name others '
            '(--scores).'
        )
    sides = 1 if baseline is None else 2
    height = 0.32 * len(scores.rows) + 0.9
    figure = Figure(figsize=(5.2 * sides, height * len(columns) + 0.6), layout='constrained')
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(len(columns), sides, squeeze=False)
    for line, (name, score) in zip(axes, columns, strict=True):
        rows = [row for row in scores.rows if scores.get(row, name, score)]
        _draw_values(line[0], scores, rows, name, score)
        if baseline is not None:
            # Beside a floor, the differences that matter would be a hair's breadth.
            others = [row for row in rows if row not in {baseline, *scores.floors}]
            _draw_differences(line[1], scores, others, name, score, baseline)
    figure.savefig(path, dpi=130)


def _dress(axis: Axes, rows: Sequence[str], title: str) -> None:
    axis.set_title(title, fontsize=9, loc='left')
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.tick_params(labelsize=8, length=0)
    axis.grid(axis='x', color=_FAINT, linewidth=0.5)
    axis.set_axisbelow(True)
    for side in ('top', 'right', 'left'):
        axis.spines[side].set_visible(False)


def _spread(count: int) -> np.ndarray:
    """Heights of points of one row, so that equal values stay visible."""
    return np.linspace(-0.14, 0.14, count) if count > 1 else np.zeros(1)


def _draw_values(axis: Axes, scores: Scores, rows: Sequence[str], name: str, score: str) -> None:
    _dress(axis, rows, f'{name}: {score}')
    for place, row in enumerate(rows):
        values = np.array(list(scores.get(row, name, score).values()))
        axis.plot(values, place + _spread(len(values)), 'o', color=_POINT, markersize=4, alpha=0.8)
        axis.plot([values.mean()] * 2, [place - 0.3, place + 0.3], color=_MEAN, linewidth=2)


def _draw_differences(
    axis: Axes, scores: Scores, rows: Sequence[str], name: str, score: str, baseline: str
) -> None:
    subtracted = [list(scores.subtract(row, baseline, name, score).values()) for row in rows]
    if not any(subtracted):  # the baseline has no such score
        axis.set_axis_off()
        return
    _dress(axis, rows, f'{name}: {score}, difference to {baseline}')
    axis.axvline(0, color=_INK, linewidth=1)
    for place, each in enumerate(subtracted):
        pair = summarise(each)
        if pair is None:
            continue
        axis.plot(each, place + _spread(len(each)), 'o', color=_POINT, markersize=4, alpha=0.8)
        axis.plot([pair.mean] * 2, [place - 0.3, place + 0.3], color=_MEAN, linewidth=2)
        if pair.count > 1:
            axis.plot([pair.low, pair.high], [place, place], color=_MEAN, linewidth=1)

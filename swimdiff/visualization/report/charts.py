"""Line charts as inline SVG whose colours follow the light or dark scheme of the page."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from swimdiff.visualization.report.record import Curve

__all__ = ['Chart', 'draw_chart']

#: Colours that stand for a variable of the page's style: ink, faint lines, and three series.
_INK, _FAINT, _SERIES = '#010101', '#020202', ('#0a0a01', '#0a0a02', '#0a0a03')
_VARIABLES = {
    _INK: 'var(--ink-2)',
    _FAINT: 'var(--line)',
    **{colour: f'var(--series-{i})' for i, colour in enumerate(_SERIES, start=1)},
}
#: Points drawn of a curve: more cannot be told apart at this width, and make the page large.
_POINTS = 240


@dataclass(frozen=True)
class Chart:
    """Describe what a chart shows.

    Args:
        title: In words.
        curves: Up to three, by the name in the legend.
        levels: Lines across, by name: limits, floors.
        note: One sentence below the title: how to read it.
        x: What the steps are.
        smooth: Whether a running mean is drawn over the faint raw curve.
        percent: Whether values are shares to be shown in per cent.
        log: Whether the axis is logarithmic.
        bottom: Lowest value of the axis, where it is fixed.
    """

    title: str
    curves: Mapping[str, Curve]
    levels: Mapping[str, float] = field(default_factory=dict)
    note: str = ''
    x: str = 'iteration'
    smooth: bool = False
    percent: bool = False
    log: bool = False
    bottom: float | None = None


def _thin(curve: Curve) -> Curve:
    """Means over equal runs of points."""
    if len(curve.steps) <= _POINTS:
        return curve
    parts = np.array_split(np.arange(len(curve.steps)), _POINTS)
    return Curve(
        np.array([curve.steps[part[-1]] for part in parts]),
        np.array([curve.values[part].mean() for part in parts]),
    )


def _running_mean(values: np.ndarray, share: float = 0.04) -> np.ndarray:
    """Mean over a centred window of this share of the curve, shorter at the ends."""
    half = max(1, round(len(values) * share))
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def draw_chart(chart: Chart, width: float = 4.6, height: float = 2.5) -> Markup:
    """Draw a chart as an ``<svg>`` element.

    Args:
        chart (Chart): With at least one curve.
        width (float): In inches of 72 points; the page scales it. Defaults to 4.6.
        height (float): Defaults to 2.5.
    """
    settings: Any = {
        'svg.fonttype': 'none',
        'svg.hashsalt': chart.title,
        'font.size': 8.5,
        'font.family': 'sans-serif',
        'axes.edgecolor': _FAINT,
        'axes.labelcolor': _INK,
        'xtick.color': _INK,
        'ytick.color': _INK,
        'text.color': _INK,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout='constrained')
        axis = figure.subplots()
        for colour, (name, curve) in zip(_SERIES, chart.curves.items(), strict=False):
            _plot(axis, chart, name, curve, colour)
        for (name, value), style in zip(chart.levels.items(), ('--', ':', '-.'), strict=False):
            axis.axhline(value, color=_INK, linestyle=style, linewidth=1, label=name)
        if chart.log:
            axis.set_yscale('log')
        else:
            axis.yaxis.set_major_locator(MaxNLocator(5))
        if chart.bottom is not None:
            axis.set_ylim(bottom=chart.bottom)
        if chart.percent:
            axis.yaxis.set_major_formatter(lambda value, _: f'{100 * value:g} %')
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.xaxis.set_major_formatter(ScalarFormatter(useOffset=False))
        axis.set_xlabel(chart.x)
        axis.grid(axis='y', color=_FAINT, linewidth=0.6)
        axis.spines[['top', 'right', 'left']].set_visible(False)
        axis.tick_params(length=0)
        if len(chart.curves) + len(chart.levels) > 1:
            figure.legend(loc='outside upper left', ncols=4, frameon=False, fontsize=8)
        out = io.StringIO()
        figure.savefig(out, format='svg', transparent=True, metadata={'Date': None})
    return Markup(_inline(out.getvalue(), chart.title))


def _plot(axis: matplotlib.axes.Axes, chart: Chart, name: str, curve: Curve, colour: str) -> None:
    finite = np.isfinite(curve.values)
    points = _thin(Curve(curve.steps[finite], curve.values[finite]))
    marker = 'o' if len(points.steps) <= 25 else None
    if chart.smooth and len(points.steps) > 25:
        axis.plot(points.steps, points.values, color=colour, alpha=0.3, linewidth=1)
        points = Curve(points.steps, _running_mean(points.values))
    axis.plot(
        points.steps, points.values, color=colour, linewidth=1.8, label=name, marker=marker, ms=3.5
    )


def _inline(svg: str, title: str) -> str:
    """Only the element, with the page's colours and without a fixed size."""
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
    svg = re.sub(r'<!--.*?-->', '', svg, flags=re.DOTALL)
    svg = re.sub(r'font-family: [^;]*; ', '', svg)  # the page's
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(title)}">'
    return re.sub(r'<svg.*?>', lambda _: head, svg, count=1, flags=re.DOTALL)

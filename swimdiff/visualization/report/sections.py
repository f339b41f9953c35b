"""The sections of the report, each a piece of HTML; what is not there is left out or said."""

from collections.abc import Sequence
from html import escape

import numpy as np

from swimdiff.visualization.report.charts import Chart, draw_chart
from swimdiff.visualization.report.pictures import Picture
from swimdiff.visualization.report.record import Curve, RunRecord
from swimdiff.visualization.report.verdicts import floors_of, hook_option, verdicts

__all__ = [
    'charts_section',
    'config_section',
    'denoising_section',
    'guards_section',
    'heading',
    'messages_section',
    'probe_section',
    'stack_section',
    'throughput_section',
    'tiles_section',
    'views_section',
]

_WORDS = {'good': 'fine', 'warn': 'look', 'bad': 'sick', 'none': 'not seen'}
_MARKS = {'good': '&#10003;', 'warn': '!', 'bad': '&#10007;', 'none': '&#8211;'}


def heading(title: str, sub: str = '') -> str:
    """A heading and a line below it."""
    return f'<h2>{escape(title)}</h2><p class="sub">{escape(sub)}</p>'


def _cards(charts: Sequence[Chart]) -> str:
    cards = ''.join(
        f'<div class="card"><h3>{escape(chart.title)}</h3><p class="note">{escape(chart.note)}</p>'
        f'{draw_chart(chart)}</div>'
        for chart in charts
        if chart.curves
    )
    return f'<div class="grid">{cards}</div>'


def _some(curves: dict[str, Curve], **named: str) -> dict[str, Curve]:
    """Those of the curves that were logged, under their names in the legend."""
    return {title: curves[name] for title, name in named.items() if name in curves}


def _gradient_shares(curves: dict[str, Curve]) -> dict[str, Curve]:
    """The share over the whole encoder, and that of the first and the last stage."""
    shown = _some(curves, encoder='gradient_share')
    stages = [name for name in curves if name.startswith('gradient_share_')]
    for name in dict.fromkeys(stages[:1] + stages[-1:]):
        shown[name.removeprefix('gradient_share_')] = curves[name]
    return shown


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    if seconds < 5400:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h' if seconds < 172800 else f'{seconds / 86400:.1f} days'


def tiles_section(record: RunRecord) -> str:
    """The numbers one looks for first."""
    tiles: list[tuple[str, str]] = []
    train, loss = record.train, record.train.get('loss')
    if loss is not None:
        total = record.facts.get('max_iters')
        tiles.append(
            (f'{int(loss.steps[-1]):,}', f'iterations of {total:,}' if total else 'iterations')
        )
    starts = '' if record.starts == 1 else f' in {record.starts} starts'
    tiles.append((duration(record.seconds), f'run time{starts}'))
    if 'images_per_s' in train:
        tiles.append((f'{np.median(train["images_per_s"].values):,.1f}', 'images/s (median)'))
    for name, title in (
        ('loss_contrast', 'contrastive loss (last)'),
        ('loss_diffusion', 'diffusion loss (last)'),
    ):
        if name in train:
            tiles.append((f'{train[name].last:.3f}', title))
    if not {'loss_contrast', 'loss_diffusion'} & set(train) and loss is not None:
        tiles.append((f'{loss.last:.3f}', 'loss (last)'))
    if 'knn/top1' in record.evaluation:
        curve = record.evaluation['knn/top1']
        best = int(curve.values.argmax())
        tiles.append((f'{curve.values[best]:.1f} %', f'best kNN, epoch {curve.steps[best]:.0f}'))
    return (
        '<div class="tiles">'
        + ''.join(
            f'<div class="tile"><b>{escape(value)}</b><span>{escape(title)}</span></div>'
            for value, title in tiles
        )
        + '</div>'
    )


def guards_section(record: RunRecord) -> str:
    """A line a guard."""
    rows = ''.join(
        f'<tr><td><span class="state {v.state}">{_MARKS[v.state]} {_WORDS[v.state]}</span></td>'
        f'<td>{escape(v.what)}</td><td>{escape(v.found)}</td></tr>'
        for v in verdicts(record)
    )
    title = heading('Health', 'What the guards watched, at the end of the log')
    return f'{title}<div class="card scroll"><table>{rows}</table></div>'


def charts_section(record: RunRecord) -> str:
    """Losses, learning rate, mates, spread of the keys."""
    train = record.train
    option = hook_option
    # Ours logs its two losses, the engine's self-supervisors one that has no other name.
    parts = {'loss_contrast', 'loss_diffusion'} & set(train)
    charts = [
        Chart('Loss', {} if parts else _some(train, loss='loss'), smooth=True),
        Chart(
            'Contrastive loss',
            _some(train, loss='loss_contrast'),
            note='Healthy: rises while the queue fills with keys, then falls and levels off.',
            smooth=True,
        ),
        Chart(
            'Diffusion loss',
            _some(train, loss='loss_diffusion'),
            note='Mean squared error of the prediction, times its weight.',
            smooth=True,
        ),
        Chart(
            'Diffusion error, relative',
            _some(train, error='diffusion_relative_error'),
            note='Over that of the best estimate without a network; 1 is having learned nothing.',
            smooth=True,
            bottom=0,
        ),
        Chart(
            'Reliance on the features',
            _some(
                train,
                **{
                    'all steps': 'feature_reliance',
                    'little noise': 'feature_reliance_1',
                    'deepest level alone': 'feature_reliance_deepest',
                },
            ),
            {'least': option(record, 'FeatureRelianceHook', 'least', 0.2)},
            note='1 - error with own features / error with those of another image.',
        ),
        Chart(
            'Gradient of the diffusion loss over that of the contrastive loss',
            _gradient_shares(train),
            note='In the encoder and in its first and last stage; what lambda_d amounts to.',
            bottom=0,
        ),
        Chart('Learning rate', _some(train, lr='lr')),
        Chart(
            'Scene mates',
            _some(train, **{'met by a query': 'scene_mates', 'expected': 'mates_expected'}),
            {'least': option(record, 'SceneMatesHook', 'least', 0.1)},
            note='Near zero, scene matching does nothing.',
            bottom=0,
        ),
        Chart(
            'Spread of the keys',
            _some(train, deviation='key_std', cosine='key_cosine'),
            {
                'least': option(record, 'CollapseHook', 'min_std', 0.1),
                'most': option(record, 'CollapseHook', 'max_cosine', 0.98),
            },
            note='Deviation and mean cosine. Collapsed: 0 and 1. Even: 1 and 0.',
        ),
        Chart(
            'Spread of the queries',
            _some(train, deviation='feature_spread'),
            {'least': option(record, 'TrendHook', 'least_spread', 0.1)},
            note='Healthy: falls to about half in the first steps, then stays or rises.',
            bottom=0,
        ),
        Chart(
            'Effective rank of the keys',
            _some(train, rank='key_rank'),
            {'least': option(record, 'CollapseHook', 'min_rank', 5.0)},
            note='Dimensions of the embedding that are in use.',
            bottom=0,
        ),
        Chart(
            'Similarity of query and key',
            _some(train, similarity='positive_similarity'),
            note='Cosine of the two views of an image.',
            smooth=True,
        ),
    ]
    if not {'loss_contrast', 'loss_diffusion'} & set(train):
        charts.insert(0, Chart('Loss', _some(train, loss='loss'), smooth=True))
    return heading('Training', 'Faint: as logged; strong: running mean') + _cards(charts)


def probe_section(record: RunRecord) -> str:
    """The online probe with its floors, and whatever else was scored."""
    curves = record.evaluation
    charts = []
    for name, title in (('knn/top1', 'Weighted kNN'), ('knn/linear', 'Linear head')):
        if name in curves:
            charts.append(
                Chart(
                    f'{title}, accuracy in %',
                    {title: curves[name]},
                    floors_of(record, name),
                    note='Of the frozen features; below a broken line pre-training gave nothing.',
                    x='epoch',
                )
            )
    for name, curve in curves.items():
        if not name.startswith('knn/') and 'time' not in name:
            charts.append(Chart(name, {name: curve}, x='epoch'))
    if not charts:
        return ''
    parts = []
    if 'knn/samples' in curves:
        parts.append(f'{curves["knn/samples"].last:.0f} labelled images scored')
    if 'knn/time_share' in curves:
        parts.append(f'probes took {curves["knn/time_share"].last:.1%} of the run time')
    return heading('Probe and validation', '; '.join(parts)) + _cards(charts)


def throughput_section(record: RunRecord) -> str:
    """How fast it was, and what it waited for."""
    train = record.train
    charts = [
        Chart(
            'Images per second', _some(train, rate='images_per_s'), bottom=0, note='All processes.'
        ),
        Chart(
            'Share of the step spent waiting for data',
            _some(train, share='loader_share'),
            {'limit': hook_option(record, 'LoaderStarvationHook', 'limit', 0.2)},
            percent=True,
            bottom=0,
            note='Above the line the loader, not the device, sets the pace.',
        ),
        Chart('Seconds a step', _some(train, step='time', data='data_time'), bottom=0),
        Chart('Memory of the device, MB', _some(train, memory='memory'), bottom=0),
    ]
    return heading('Throughput') + _cards(charts)


def _figure(picture: Picture) -> str:
    caption = escape(picture.caption)
    image = f'<img src="{picture.uri}" alt="{caption}">'
    return f'<figure>{image}<figcaption>{caption}</figcaption></figure>'


def views_section(strips: Sequence[Sequence[Picture]]) -> str:
    """Query and key views side by side."""
    pairs = ''.join(f'<div class="pair">{"".join(map(_figure, strip))}</div>' for strip in strips)
    title = heading('Views', 'What the model is shown: query and key of one sample side by side')
    return f'{title}<div class="card"><div class="shots">{pairs}</div></div>'


def denoising_section(rows: Sequence[Sequence[Picture]]) -> str:
    """The strip of noised views, estimates, and estimates from another image's features."""
    noised, *estimates = rows
    figures = [_figure(picture) for picture in noised]
    for row in estimates:
        figures += ['<div></div>', *map(_figure, row)]
    title = heading(
        'Denoising',
        'One view, noised at step t of 1000; the image estimated from it in one step; and the same '
        'estimate when the decoder is given the features of another image. The more the last two '
        'rows differ, the more the encoder is needed',
    )
    return f'{title}<div class="card"><div class="strip">{"".join(figures)}</div></div>'


def messages_section(record: RunRecord) -> str:
    """Warnings and errors of the log."""
    if not record.messages:
        return ''
    rows = ''.join(
        f'<tr><td class="key">{escape(time)}</td><td><span class="state '
        f'{"warn" if level == "WARNING" else "bad"}">{escape(level.lower())}</span></td>'
        f'<td>{escape(text)}</td></tr>'
        for time, level, text in record.messages[-25:]
    )
    title = heading('Warnings and errors', 'Of the log, each once, at the last time it was said')
    return f'{title}<div class="card scroll"><table>{rows}</table></div>'


def stack_section(record: RunRecord) -> str:
    """Software, commit, command."""
    rows: list[tuple[str, str]] = [
        (str(key), str(record.facts[key]))
        for key in ('command', 'processes')
        if key in record.facts
    ]
    rows += [(str(key), str(value)) for key, value in (record.facts.get('stack') or {}).items()]
    listed = ''.join(
        f'<div class="{"wide" if key == "command" else ""}"><dt>{escape(key)}</dt>'
        f'<dd>{escape(value)}</dd></div>'
        for key, value in rows
    )
    title = heading('Stack', 'As the run found it at its start; swimdiff with version and commit')
    return f'{title}<div class="card"><dl>{listed}</dl></div>' if rows else ''


def config_section(record: RunRecord) -> str:
    """The config as it ran."""
    if record.config is None:
        return ''
    return (
        heading('Config', 'With everything inherited and overridden')
        + '<details class="card"><summary>Show the config</summary>'
        f'<pre>{escape(record.config.pretty_text)}</pre></details>'
    )

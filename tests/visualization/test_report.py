"""The report: what it reads, what it says, that it needs nothing beside itself."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from swimdiff.errors import DataError
from swimdiff.visualization.report import write_report
from swimdiff.visualization.report.charts import Chart, draw_chart
from swimdiff.visualization.report.record import Curve, read_run
from swimdiff.visualization.report.verdicts import verdicts

CONFIG = """\
model = dict(type='SwiMDiff', head=dict(rule='relative'))
default_hooks = dict(
    collapse=dict(type='CollapseHook', min_rank=9.0),
    trend=dict(type='TrendHook', most_rise=0.3),
    starvation=dict(type='LoaderStarvationHook', limit=0.3),
)
"""
HEALTHY = dict(
    loss=5.0,
    loss_contrast=4.0,
    loss_diffusion=1.0,
    lr=0.01,
    scene_mates=2.0,
    contrast_rise=0.1,
    similarity_lost=0.05,
    feature_spread=0.5,
    key_std=0.8,
    key_cosine=0.2,
    key_rank=40.0,
    loader_share=0.05,
    feature_reliance=0.7,
    gradient_share=0.3,
    images_per_s=100.0,
)
PROBE = {'knn/top1': 60.0, 'knn/top1_floor_statistics': 50.0, 'knn/top1_floor_random': 55.0}
LINE = '2026/01/01 00:00:{:02} - mmengine - {} - {}\n'


def start(root, name, rows, state='finished', log='', **facts):
    """What one start of a run leaves."""
    folder = root / name
    (folder / 'vis_data').mkdir(parents=True)
    text = '\n'.join(json.dumps(row) for row in rows)
    (folder / 'vis_data' / 'scalars.json').write_text(f'{text}\n{{"loss": 1, "st')
    (folder / 'vis_data' / 'config.py').write_text(CONFIG)
    lines = LINE.format(0, 'INFO', 'first') + log + LINE.format(40, 'INFO', 'last')
    (folder / f'{name}.log').write_text(lines)
    (folder / 'run.json').write_text(
        json.dumps(dict(state=state, max_iters=60, stack=dict(swimdiff='1 abc (x)'), **facts))
    )
    return root


def rows(first, last, every=10, **changed):
    return [dict(HEALTHY, step=step, **changed) for step in range(first, last + 1, every)]


def test_a_resumed_run_replaces_what_was_lost(tmp_path):
    old = rows(10, 50, loss_contrast=9.0)
    start(tmp_path, '20260101_000000', [*old, dict(PROBE, step=1)], state='running')
    start(tmp_path, '20260102_000000', [*rows(30, 60), dict(PROBE, step=2, **{'knn/top1': 70.0})])
    record = read_run(tmp_path)
    curve = record.train['loss_contrast']
    # 30 and 40 were done again; 50 of the first start is void although the log of the second has it
    assert curve.steps.tolist() == [10, 20, 30, 40, 50, 60]
    assert curve.values.tolist() == [9, 9, 4, 4, 4, 4]
    assert record.evaluation['knn/top1'].steps.tolist() == [1, 2]
    assert record.starts == 2
    assert record.seconds == 80
    assert record.facts['state'] == 'finished'


def test_rows_after_the_checkpoint_are_void(tmp_path):
    start(tmp_path, '20260101_000000', rows(10, 50))
    start(tmp_path, '20260102_000000', rows(35, 35))
    assert read_run(tmp_path).train['loss'].steps.tolist() == [10, 20, 30, 35]


@pytest.mark.parametrize(
    ('changed', 'poor'),
    [
        ({}, []),
        (dict(key_rank=8.0), ['Embeddings are spread']),
        (dict(key_std=0.01), ['Embeddings are spread']),
        (dict(loader_share=0.29), []),
        (dict(loader_share=0.31), ['The loader keeps up']),
        (dict(scene_mates=0.01), ['Queries meet their scene']),
        (dict(feature_spread=0.07), ['Queries keep their spread']),
        (dict(contrast_rise=0.31), []),
        (dict(contrast_rise=0.29, similarity_lost=0.3), []),
        (dict(contrast_rise=0.31, similarity_lost=0.3), ['Queries stay close to their keys']),
        (dict(loss=float('nan')), ['Loss and weights are finite']),
        (dict(feature_reliance=0.1), ['Denoising needs the encoder']),
    ],
)
def test_verdicts_take_the_limits_of_the_run(tmp_path, changed, poor):
    start(tmp_path, 'a', [*rows(10, 50, **changed), dict(PROBE, step=1)])
    found = verdicts(read_run(tmp_path))
    assert 'none' not in {verdict.state for verdict in found}
    assert [verdict.what for verdict in found if verdict.state != 'good'] == poor


def test_nothing_logged_nothing_judged(tmp_path):
    start(tmp_path, 'a', [])
    assert {verdict.state for verdict in verdicts(read_run(tmp_path))} == {'none'}
    start(tmp_path / 'b', 'a', [dict(PROBE, step=1, **{'knn/top1': 54.0})])
    assert verdicts(read_run(tmp_path / 'b'))[-1].state == 'warn'  # below the untrained network


def test_the_page_needs_nothing_beside_itself(tmp_path):
    reason = 'The embeddings collapse at iteration 60: <b>'
    log = LINE.format(5, 'WARNING', 'a <script>alert(1)</script>')
    log += LINE.format(6, 'WARNING', 'twice') + LINE.format(7, 'WARNING', 'twice')
    log += LINE.format(8, 'ERROR', '/a/guard.py - stop_run - 51 - Stopping: why')
    found = [*rows(10, 60), dict(PROBE, step=1)]
    start(tmp_path, 'a', found, 'stopped', log, reason=reason, command='tools/train.py x')
    path = write_report(tmp_path)
    page = path.read_text()
    assert path == tmp_path / 'report.html'
    assert len(page) < 2e6
    assert '<script' not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert not re.findall(r'url\((?!#)|@import', page)
    assert page.count('</svg>') == 12
    assert "default-src 'none'" in page and 'script-src' not in page
    assert 'stopped by a guard' in page
    assert 'collapse at iteration 60: &lt;b&gt;' in page
    assert page.count('<td>twice</td>') == 1
    assert '<td>Stopping: why</td>' in page
    assert '1 abc' in page
    assert 'rule=&#39;relative&#39;' in page
    assert '60.0 %' in page
    assert 'could not be made' not in page


class Reader(HTMLParser):
    """What a browser makes of a page: elements, texts, names of charts."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.labels = set(), [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.labels.add(dict(attrs).get('aria-label'))

    def handle_data(self, data):
        self.texts.append(data)


def test_names_from_a_config_are_text_everywhere(tmp_path):
    evil = '"><script>alert(1)</script>'
    scores = [{f'{evil}/mAP': 30.0 + step, 'step': step} for step in (1, 2)]
    start(tmp_path, 'a', [dict(loss=3.0, step=10), *scores], command=f'train.py {evil}')
    config = tmp_path / 'a' / 'vis_data' / 'config.py'
    config.write_text(f'{CONFIG}title = {evil!r}\n')
    (tmp_path / '<script>.py').write_text('')  # the run has its name from the config's
    page = write_report(tmp_path).read_text()
    assert 'could not be made' not in page
    assert '<script' not in page
    reader = Reader()
    reader.feed(page)
    assert 'script' not in reader.tags
    assert f'{evil}/mAP' in reader.labels  # of the chart, for screen readers
    said = ' '.join(reader.texts)
    assert f'train.py {evil}' in said and f"title='{evil}'" in said.replace(' = ', '=')
    assert '<script>: report' in reader.texts and '<script>' in reader.texts


def test_the_loss_of_the_engines_models_is_drawn_once(tmp_path):
    start(tmp_path, 'a', [dict(loss=3.0, step=step) for step in (10, 20)])
    assert write_report(tmp_path).read_text().count('<h3>Loss</h3>') == 1


def test_a_section_that_fails_does_not_take_the_page_along(tmp_path, monkeypatch):
    start(tmp_path, 'a', rows(10, 60))
    monkeypatch.setattr(
        'swimdiff.visualization.report.sections.throughput_section', lambda _: 1 / 0
    )
    page = write_report(tmp_path, tmp_path / 'out' / 'r.html').read_text()
    assert 'A section could not be made: ZeroDivisionError' in page
    assert 'Health' in page and 'Show the config' in page


def test_no_run(tmp_path):
    with pytest.raises(DataError, match='vis_data, found none'):
        write_report(tmp_path)


def test_a_long_curve_is_thinned_to_its_means():
    steps = np.arange(100_000.0)
    chart = Chart('x', {'a': Curve(steps, steps % 2)}, smooth=True)
    svg = draw_chart(chart)
    assert len(svg) < 60_000
    assert 'var(--series-1)' in svg and '#0a0a01' not in svg
    assert 'width=' not in svg[: svg.index('>')]


def test_values_that_are_no_numbers_leave_a_gap():
    values = np.array([1.0, np.nan, np.inf, 2.0])
    assert draw_chart(Chart('x', {'a': Curve(np.arange(4.0), values)})).startswith('<svg')

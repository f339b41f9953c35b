"""Numbers of the table against a case worked by hand."""

import math

import pytest

from swimdiff.studies.cells import Cell
from swimdiff.studies.results import Record
from swimdiff.studies.summary import Scores, collect_scores, summarise
from swimdiff.studies.table import choose_digits, write_table

#: Score by seed. Pairs of seeds 0 and 1: 3 and 5, thus mean 4, deviation sqrt(2); half of the
#: interval is t(.975, 1) * sqrt(2) / sqrt(2) = 12.7062.
OURS, BASE = {0: 13.0, 1: 25.0, 2: 40.0}, {0: 10.0, 1: 20.0, 3: 30.0}


def cell(label, seed, kind='trained', digest='x'):
    name = f'{label}{seed}'
    return Cell(label, kind, seed, None, name, {'eurosat': digest})


def record(label, seed, score=None, status='finished', digest='x', **more):
    scores = {} if score is None else {'eurosat': {'knn': score}}
    return Record(
        'p', label, seed, status, f'{label}{seed}', scores, dict.fromkeys(scores, digest), **more
    )


def test_pairs_by_hand():
    values = {('ours', 'm', 's'): OURS, ('base', 'm', 's'): BASE, ('floor', 'm', 's'): {0: 12.0}}
    scores = Scores(['floor', 'base', 'ours'], values=values, fixed={'floor'})
    pair = summarise(list(scores.subtract('ours', 'base', 'm', 's').values()))
    assert (pair.count, pair.mean) == (2, 4.0)
    assert pair.deviation == pytest.approx(math.sqrt(2))
    assert (pair.low, pair.high) == pytest.approx((4 - 12.7062, 4 + 12.7062), abs=1e-4)
    one = summarise([7.0])
    assert (one.count, one.mean) == (1, 7.0)
    assert math.isnan(one.low)
    # Nothing of the floor is random: it is held against every seed.
    assert scores.subtract('floor', 'base', 'm', 's') == {0: 2.0, 1: -8.0, 3: -18.0}
    assert summarise([]) is None


def test_interval_of_four_numbers_against_a_published_quantile():
    """t(.975, 3) = 3.1824; 1, 2, 3, 4: mean 2.5, deviation sqrt(5 / 3)."""
    found = summarise([1.0, 2.0, 3.0, 4.0])
    half = 3.1824 * math.sqrt(5 / 3) / 2
    assert (found.low, found.high) == pytest.approx((2.5 - half, 2.5 + half), abs=1e-3)


@pytest.mark.parametrize('value, digits', [(0.0123, 5), (1.5, 3), (63.2, 2), (1234.0, 0), (0, 4)])
def test_about_four_digits_are_shown(value, digits):
    assert choose_digits([value, 0.0, math.nan]) == digits


@pytest.mark.parametrize('markdown', [False, True])
def test_table(markdown):
    cells = [cell('random', 0, 'random'), *(cell('base', s) for s in BASE)]
    cells += [*(cell('ours', s) for s in OURS), cell('ours', 4), cell('hot', 0)]
    lines = [record('base', seed, value) for seed, value in BASE.items()]
    lines += [record('ours', seed, value) for seed, value in OURS.items()]
    lines += [record('hot', 0, status='diverged', message='The loss is nan')]
    lines += [record('random', 0, 5.0), record('base', 0, 10.0)]
    text = write_table(collect_scores(cells, lines), 'base', 'A title', markdown)
    rows = {line.strip('| ').split(' ')[0]: line for line in text.splitlines()}
    assert '20.00 +- 10.00' in rows['base']
    assert '26.00 +- 13.53' in rows['ours']
    assert '+4.00 +- 1.41 [-8.71, +16.71] (2 pairs)' in rows['ours']
    assert '3 of 4' in rows['ours']
    assert '-5.00' in rows['random']
    assert 'hot' not in rows
    assert 'hot seed 0: diverged, The loss is nan' in text
    assert 'ours seed 4: missing' in text
    table = [line for line in text.splitlines() if 'seeds' in line or '+-' in line][1:]
    assert all(line.startswith('|') is markdown for line in table)


def test_what_should_be_the_same_and_is_not_is_said():
    cells = [cell('a', 0), cell('b', 0), cell('c', 0), cell('d', 0)]
    lines = [
        record(
            'a',
            0,
            1.0,
            commit='123',
            views='workers',
            hardware=dict(gpu=None),
            data=dict(eurosat='e'),
        ),
        record(
            'b',
            0,
            1.0,
            commit='456',
            views='device',
            hardware=dict(gpu='H'),
            data=dict(eurosat='f'),
        ),
        record('c', 0, 1.0, digest='of another measurement', commit='123', data=dict(eurosat='e')),
        Record('p', 'd', 0, 'finished', 'before it was changed'),
    ]
    scores = collect_scores(cells, lines)
    said = '\n'.join(scores.remarks)
    assert 'differ in commit: 123, 456' in said
    assert 'differ in gpu: CPU, H' in said
    assert 'differ in views: workers, device' in said
    assert 'differ in data: eurosat e, eurosat f' in said
    assert 'c seed 0: not measured yet: eurosat' in said
    assert 'd seed 0: the result there is of another config' in said
    assert scores.get('c', 'eurosat', 'knn') == {}


def test_patterns_choose_scores():
    text = write_table(
        collect_scores([cell('a', 0)], [record('a', 0, 1.0)]), None, 't', patterns=['*.linear']
    )
    assert 'nothing to show' in text

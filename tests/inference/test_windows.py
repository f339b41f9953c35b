"""Plans of windows, their weights, and how many rows are in memory."""

import itertools

import numpy as np
import pytest

from swimdiff.errors import ConfigError
from swimdiff.inference.blending import BandAccumulator, find_borders, weigh_axis
from swimdiff.inference.seams import SeamMeter
from swimdiff.inference.windows import WindowPlan, place_spans

SETTINGS = list(
    itertools.product((1, 63, 64, 65, 96, 127, 129, 200, 333), ((64, 16), (64, 0), (96, 32)))
)


@pytest.mark.parametrize(('length', 'window'), SETTINGS)
@pytest.mark.parametrize('align', (1, 8, 32))
def test_windows_cover_every_pixel_and_begin_at_the_grid_of_features(length, window, align):
    size, margin = window
    spans = place_spans(length, size, margin, align)
    covered = np.zeros(length, int)
    for span in spans:
        assert span.first % align == 0
        assert span.length == length or size <= span.length < size + align
        covered[span.first : span.last] += 1
    assert (spans[0].first, spans[-1].last) == (0, length)
    assert covered.min() >= 1
    # Between two windows there are margins of both.
    assert all(a.last - b.first >= 2 * margin for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize(('length', 'window'), SETTINGS)
@pytest.mark.parametrize('mode', ('crop', 'blend'))
def test_weights_of_all_windows_add_up_to_one(length, window, mode):
    size, margin = window
    spans = place_spans(length, size, margin, 8)
    total = np.zeros(length)
    for span, weights in zip(spans, weigh_axis(spans, margin, mode), strict=True):
        assert span.first <= weights.span.first <= weights.span.last <= span.last
        total[weights.span.first : weights.span.last] += weights.values
    np.testing.assert_allclose(total, 1, rtol=1e-6)


@pytest.mark.parametrize('mode', ('crop', 'blend'))
@pytest.mark.parametrize('shape', ((200, 150), (64, 64), (30, 500), (333, 65)))
def test_windows_of_one_picture_give_the_picture_back(mode, shape):
    plan = WindowPlan(*shape, size=64, margin=16, align=8)
    picture = np.random.default_rng(0).random((2, *shape), np.float32)
    accumulator = BandAccumulator(2, plan, mode)
    rows = []
    for i, row in enumerate(plan.rows):
        for j, column in enumerate(plan.columns):
            window = picture[:, row.first : row.last, column.first : column.last]
            accumulator.add_window(i, j, window)
        first, done = accumulator.finish_strip(i)
        assert first == sum(part.shape[1] for part in rows)
        rows.append(done)
    whole = np.concatenate(rows, axis=1)
    assert whole.shape == picture.shape
    if mode == 'crop':
        np.testing.assert_array_equal(whole, picture)
    np.testing.assert_allclose(whole, picture, rtol=1e-5)


@pytest.mark.parametrize('mode', ('crop', 'blend'))
def test_rows_in_memory_do_not_grow_with_the_raster(mode):
    held = [
        BandAccumulator(1, WindowPlan(height, 8, 64, 16, 8), mode).rows_held
        for height in (640, 6400, 64000)
    ]
    assert held[0] == held[1] == held[2] <= 64 + 8


def test_a_window_disagreeing_with_its_neighbour_is_cut_in_crop_and_faded_in_blend():
    plan = WindowPlan(64, 112, size=64, margin=8, align=16)
    (border,) = find_borders(plan.columns)
    assert border == 56
    found = {}
    for mode in ('crop', 'blend'):
        accumulator = BandAccumulator(1, plan, mode)
        accumulator.add_window(0, 0, np.zeros((1, 64, 64), np.float32))
        accumulator.add_window(0, 1, np.ones((1, 64, 64), np.float32))
        found[mode] = accumulator.finish_strip(0)[1][0, 30]
    assert found['crop'].tolist() == [0.0] * 56 + [1.0] * 56
    steps = np.diff(found['blend'])
    assert (steps >= 0).all() and steps.max() < 0.15
    assert found['blend'][:48].max() == 0 and found['blend'][64:].min() == 1


def test_margins_that_leave_nothing_are_refused():
    with pytest.raises(ConfigError, match=r'size=128, margin=64: expected .*\(160\)'):
        WindowPlan(500, 500, 128, 64)
    with pytest.raises(ConfigError, match="mode='fade': expected one of crop, blend"):
        BandAccumulator(1, WindowPlan(64, 64, 64, 0), 'fade')


def test_seams_are_the_steps_where_windows_meet():
    values = np.zeros((1, 20, 30), np.float32)
    values[:, :, 10:] += 0.5
    values[:, 12:] += 0.25
    valid = np.ones((20, 30), bool)
    meter = SeamMeter(columns=[10], rows=[12])
    for first in (0, 7, 12):
        last = {0: 7, 7: 12, 12: 20}[first]
        meter.add_band(first, values[:, first:last], valid[first:last])
    seams = meter.measure()
    assert seams.border == pytest.approx((20 * 0.5 + 30 * 0.25) / 50)
    assert seams.elsewhere == 0
    assert 'where windows meet' in seams.describe()

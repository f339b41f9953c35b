"""The expected number of mates against a queue that is stepped through key by key."""

from collections import deque

import numpy as np
import pytest

from swimdiff.engine.samplers.scene_order import Grouping, Meetings, plan_groups, scene_order

FIVES = np.repeat(np.arange(2000), 5)
UNEVEN = np.repeat(np.arange(60), np.random.default_rng(0).integers(1, 150, 60))


def met(scenes, grouping, queue, epochs):
    """Mates a query meets on average, for each epoch: the queue and its scenes, naively."""
    keys: deque = deque(maxlen=queue.queue_length)
    means = []
    for epoch in range(epochs):
        order = scene_order(scenes, grouping, queue.window or queue.queue_length, 3, epoch)
        counts = []
        for start in range(0, len(order), queue.batch_size):
            batch = scenes[order[start : start + queue.batch_size]].tolist()
            if queue.drop_last and len(batch) < queue.batch_size:
                continue
            stored = np.bincount(keys, minlength=scenes.max() + 1) if keys else None
            for scene in batch:
                mates = 0 if stored is None else stored[scene]
                counts.append(mates + queue.batch_keys * (batch.count(scene) - 1))
            keys.extend(batch)
        means.append(np.mean(counts))
    return means


@pytest.mark.parametrize(
    ('scenes', 'mates', 'queue'),
    [
        (FIVES, 1.5, dict(queue_length=1638, batch_size=26)),  # SeCo-100k's proportions
        (FIVES, 9.0, dict(queue_length=1638, batch_size=26, drop_last=True)),
        (FIVES, 1.5, dict(queue_length=1638, batch_size=26, batch_keys=True)),
        (FIVES, 1.0, dict(queue_length=512, batch_size=256)),
        (FIVES, 0.5, dict(queue_length=256, batch_size=32, window=1000)),
        (FIVES[:1000], 9.0, dict(queue_length=1500, batch_size=64, drop_last=True)),
        (UNEVEN, 25.0, dict(queue_length=600, batch_size=64)),
    ],
)
def test_expectation_against_a_naive_queue(scenes, mates, queue):
    queue = Meetings(len(scenes), **queue)
    sizes = np.bincount(scenes)
    plan = plan_groups(sizes, mates, queue)
    found = met(scenes, plan, queue, 7 if len(scenes) == len(FIVES) else 30)
    assert found[0] == pytest.approx(queue.expected(sizes, plan.pairs, 0), rel=0.06)
    assert np.mean(found[2:]) == pytest.approx(plan.expected, rel=0.02)
    if 0 < plan.more < 1:
        assert plan.expected == pytest.approx(max(mates, queue.expected(sizes)))


def test_by_hand():
    # Four samples, one per step, all of one scene, a queue of two: the queries meet 0, 1, 2, 2
    # keys, and two more at the start of a later epoch, which finds two keys, then one.
    queue, sizes = Meetings(4, 2), np.array([4])
    assert queue.expected(sizes, epochs_before=0) == pytest.approx(5 / 4)
    assert queue.expected(sizes) == pytest.approx(8 / 4)
    # In steps of two only the second step meets any, but every query has its neighbour.
    pairs = Meetings(4, 2, batch_size=2)
    assert pairs.expected(sizes, epochs_before=0) == pytest.approx((0 + 0 + 2 + 2) / 4)
    both = Meetings(4, 2, batch_size=2, batch_keys=True)
    assert both.expected(sizes, epochs_before=0) == pytest.approx((1 + 1 + 3 + 3) / 4)


def test_seco_at_random_meets_the_numbers_of_the_method_page():
    for locations, mates in ((20_000, 0.7), (200_000, 0.07)):
        queue = Meetings(5 * locations, 16384, 256)
        assert queue.expected(np.full(locations, 5)) == pytest.approx(mates, rel=0.2)


def test_groups_are_cut_to_size_and_stay_within_the_window():
    order = scene_order(FIVES, Grouping(5, 0.0, 20_000, 0), 500, 0, 0)
    assert np.array_equal(np.sort(order), np.arange(10_000))
    place = np.empty(10_000)
    place[order] = np.arange(10_000)
    spread = np.ptp(place.reshape(2000, 5), axis=1)
    # places are ranks of uniform numbers, so a window may hold a few samples more than its width
    assert spread.max() < 700 and spread.mean() == pytest.approx(500 * 4 / 6, rel=0.1)


def test_every_place_is_as_likely_for_every_scene():
    rare = np.array([0] * 10 + [1] * 190)
    grouping = Grouping(10, 0.0, 0.0, 0.0)
    places = np.zeros(200)
    for epoch in range(800):
        order = scene_order(rare, grouping, 50, 1, epoch)
        places += rare[order] == 0
    quarters = places.reshape(4, 50).sum(axis=1) / 8000
    assert np.abs(quarters - 0.25).max() < 0.03


def test_more_is_the_share_of_scenes_with_larger_groups():
    sizes = np.full(4000, 6)
    queue = Meetings(24_000, 1000, 50)
    plan = plan_groups(sizes, 0.75, queue)
    assert 1 <= plan.size < 6 and 0 < plan.more < 1

    def pairs(size):
        full, rest = divmod(6, size)
        return full * size * (size - 1) / 2 + rest * (rest - 1) / 2

    expected = (1 - plan.more) * pairs(plan.size) + plan.more * pairs(plan.size + 1)
    assert plan.pairs == pytest.approx(4000 * expected)

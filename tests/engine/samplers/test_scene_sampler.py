"""SceneSampler: the engine's order, any number of processes, any place to start."""

import sys

import numpy as np
import pytest
from mmengine.dataset import DefaultSampler
from mmengine.runner.runner import _SlicedDataset
from torch.utils.data import ConcatDataset, DataLoader, Subset

from swimdiff.engine.samplers import SceneSampler, scene_sampler
from swimdiff.engine.samplers.dataset_scenes import dataset_scenes
from swimdiff.errors import ConfigError
from swimdiff.randomness import SeededIndex, sample_seeds

QUEUE = dict(queue_length=40, batch_size=8)


class Scenes:
    """A data set of which only the scenes are known."""

    def __init__(self, ids):
        self.ids = np.asarray(ids)

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        return int(index)

    def scene_ids(self):
        return self.ids


@pytest.fixture
def at(monkeypatch):
    """A sampler as process ``rank`` of ``world`` would have it."""

    def build(rank, world, kind=SceneSampler, module=scene_sampler, **options):
        monkeypatch.setattr(f'{module.__name__}.get_dist_info', lambda: (rank, world))
        return kind(options.pop('dataset', Scenes(np.arange(203) // 4)), seed=9, **options)

    return build


@pytest.mark.parametrize(('world', 'count'), [(1, 203), (3, 203), (4, 203), (8, 3)])
@pytest.mark.parametrize('round_up', [True, False])
@pytest.mark.parametrize('shuffle', [True, False])
def test_without_mates_it_is_the_engines_sampler(at, world, count, round_up, shuffle):
    from mmengine.dataset import sampler as engine

    for rank in range(world):
        options = dict(dataset=Scenes(np.zeros(count)), round_up=round_up, shuffle=shuffle)
        ours = at(rank, world, **options)
        theirs = at(rank, world, DefaultSampler, engine, **options)
        assert len(ours) == len(theirs)
        for epoch in (0, 5):
            ours.set_epoch(epoch), theirs.set_epoch(epoch)
            assert list(ours) == list(theirs)


@pytest.mark.parametrize('mates', [None, 1.0])
def test_processes_share_one_order_and_every_sample_comes_once(at, mates):
    alone = at(0, 1, mates=mates, **QUEUE)
    for epoch in range(3):
        alone.set_epoch(epoch)
        order = list(alone)
        assert sorted(order) == list(range(203))
        for world in (2, 5):
            shares = [at(rank, world, mates=mates, **QUEUE) for rank in range(world)]
            for share in shares:
                share.set_epoch(epoch)
            dealt = np.array([list(share) for share in shares]).T.flatten()
            assert dealt[:203].tolist() == order
            assert dealt[203:].tolist() == order[: len(dealt) - 203]  # rounded up


@pytest.mark.parametrize('world', [1, 4])
@pytest.mark.parametrize('consumed', [0, 8, 96, 200, 204, 300])
def test_a_pass_starts_anywhere_and_the_next_one_is_whole(at, world, consumed):
    for rank in range(world):
        sampler = at(rank, world, mates=1.0, **QUEUE)
        whole = list(sampler)
        sampler.set_start(consumed)
        assert len(sampler) == len(whole)
        rest = list(sampler)
        assert rest == whole[consumed // world :]
        assert [i.seed for i in rest] == [i.seed for i in whole[consumed // world :]]
        assert list(sampler) == whole


def test_epochs_and_seeds_make_other_orders_and_other_augmentations(at):
    sampler = at(0, 1, mates=1.0, **QUEUE)
    first, again = list(sampler), list(sampler)
    assert first == again and all(type(index) is SeededIndex for index in first)
    assert [i.seed for i in first] == sample_seeds(9, 0, np.array(first)).tolist()
    sampler.set_epoch(1)
    second = list(sampler)
    assert first != second
    assert not {i.seed for i in first} & {i.seed for i in second}
    sampler.seed = 10
    assert list(sampler) != second


def test_state_brings_seed_and_groups_back_for_the_epoch_that_was_left(at):
    sampler = at(0, 1, mates=1.0, **QUEUE)
    sampler.set_epoch(2)
    expected, state = list(sampler), sampler.state_dict()
    # Other options, and another number of samples per step, cut other groups ...
    other = SceneSampler(sampler.dataset, mates=1.3, queue_length=40, batch_size=16, seed=1)
    other.load_state_dict(state)
    other.set_epoch(2)
    assert list(other) == expected
    # ... from the next epoch on.
    other.set_epoch(3)
    assert other.grouping() != sampler.grouping()
    assert sorted(other) == list(range(203))


def test_the_queue_is_settled_later_but_what_was_given_stands():
    sampler = SceneSampler(Scenes(np.arange(400) // 4), mates=1.0, queue_length=40, seed=0)
    by_one = sampler.grouping()
    sampler.settle(queue_length=4000, batch_size=8, batch_keys=False, drop_last=True)
    assert sampler.meetings().queue_length == 40 and sampler.meetings().batch_size == 8
    assert sampler.grouping().pairs > by_one.pairs  # pairs within a batch are made up for
    assert sampler.grouping().expected == pytest.approx(1.0)
    assert sampler.expected_mates() < 1.0  # the first epoch finds an empty queue
    sampler.set_epoch(1)
    assert sampler.expected_mates() == pytest.approx(1.0)


def test_through_a_data_loader_with_workers():
    dataset = Scenes(np.arange(64) // 4)
    sampler = SceneSampler(dataset, mates=1.0, seed=2, queue_length=16, batch_size=8)
    loader = DataLoader(dataset, 8, sampler=sampler, num_workers=2, persistent_workers=True)
    assert [int(i) for batch in loader for i in batch] == list(sampler)
    sampler.set_epoch(1)
    sampler.set_start(24)
    second = [int(i) for batch in loader for i in batch]
    assert second == list(sampler)[24:]


def test_scenes_of_wrapped_data_sets():
    a, b = Scenes([0, 0, 1]), Scenes([2, 3])
    assert dataset_scenes(ConcatDataset([a, b])).tolist() == [0, 0, 1, 2, 3]
    assert dataset_scenes(Subset(ConcatDataset([a, b]), [4, 0])).tolist() == [3, 0]
    assert dataset_scenes(_SlicedDataset(a, 2)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ('dataset', 'options', 'said'),
    [
        ([1, 2, 3], dict(mates=1, queue_length=4), 'list knows no scenes'),
        (Scenes([0, -1]), dict(mates=1, queue_length=4), 'the least of them -1'),
        (Scenes([0, 1]), dict(mates=1), 'length of the queue is not known'),
        (Scenes([0, 1]), dict(mates=-1), 'mates=-1'),
        (Scenes([0, 1]), dict(mates=1, shuffle=False), 'shuffle=False'),
        (Scenes([0, 1]), dict(window=0), 'window=0'),
    ],
)
def test_errors_say_what_to_do(dataset, options, said):
    with pytest.raises(ConfigError, match=said):
        list(SceneSampler(dataset, seed=0, **options))


def test_joined_data_sets_with_the_same_ids_are_warned_of(monkeypatch):
    texts = []
    module = sys.modules[dataset_scenes.__module__]
    monkeypatch.setattr(module, 'print_log', lambda text, **_: texts.append(text))
    dataset_scenes(ConcatDataset([Scenes([0, 1]), Scenes([1, 2])]))
    assert len(texts) == 1 and 'share scene ids' in texts[0]

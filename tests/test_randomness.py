"""A sample's random numbers depend on its seed and nothing else."""

import pickle
import random
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from torch.utils.data import DataLoader

from swimdiff.randomness import SeededIndex, sample_randomness, sample_seeds


def draw():
    return [random.random(), np.random.random(), torch.rand(1).item(), np.random.randint(10**6)]


class Drawing(BaseDataset):
    """An item is what the global generators give."""

    def __init__(self, size):
        self.size = size
        super().__init__()

    def load_data_list(self):
        return [{}] * self.size

    def prepare_data(self, idx):
        with sample_randomness(idx):
            return torch.tensor([int(idx), *draw()], dtype=torch.float64)


def splitmix64(state):
    """Steele, Lea and Flood 2014, in Python's integers."""
    mask = 2**64 - 1
    z = (state + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_seeds_are_splitmix_of_run_epoch_and_index():
    indices = np.array([0, 1, 7, 999_999])
    expected = [splitmix64(splitmix64(splitmix64(42) ^ 3) ^ int(index)) for index in indices]
    assert [int(s) for s in sample_seeds(42, 3, indices)] == expected
    assert splitmix64(0) == 0xE220A8397B1DCDAF  # the published first output for state 0


def test_seeds_of_runs_epochs_and_samples_differ():
    seeds = np.concatenate(
        [sample_seeds(run, epoch, np.arange(20_000)) for run in range(3) for epoch in range(3)]
    )
    assert len(np.unique(seeds)) == seeds.size
    bits = np.unpackbits(seeds.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    assert np.abs(bits - 0.5).max() < 0.01


def test_index_is_an_int_that_keeps_its_seed():
    index = SeededIndex(np.int64(9), 2**64 - 1)
    assert index == 9
    assert [10, 20, 30, 40, 50, 60, 70, 80, 90, 100][index] == 100
    for kept in (pickle.loads(pickle.dumps(index)), index - np.int64(0), index % 10):
        assert type(kept) is SeededIndex
        assert (int(kept), kept.seed) == (9, 2**64 - 1)


def test_same_seed_same_draws_and_the_main_process_goes_on_undisturbed():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draw() + draw()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = draw()
    with sample_randomness(SeededIndex(0, 12345)):
        first = draw()
    with sample_randomness(SeededIndex(5, 12345)):
        assert draw() == first
    with sample_randomness(SeededIndex(0, 12346)):
        assert not set(draw()) & set(first)
    assert before + draw() == expected


def test_state_comes_back_after_an_error():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with pytest.raises(ZeroDivisionError), sample_randomness(SeededIndex(0, 7)):
        draw()
        raise ZeroDivisionError
    assert torch.rand(1) == expected


def test_plain_index_draws_from_the_process():
    np.random.seed(4)
    expected = np.random.random()
    np.random.seed(4)
    with sample_randomness(3):
        assert np.random.random() == expected


@pytest.mark.parametrize('workers', [1, 3])
def test_any_number_of_workers_draws_the_same(workers):
    for dataset in (ConcatDataset([Drawing(4), Drawing(5)]), RepeatDataset(Drawing(3), 3)):
        order = [SeededIndex(i, int(s)) for i, s in enumerate(sample_seeds(0, 0, np.arange(9)))]
        load = partial(DataLoader, dataset, sampler=order, batch_size=2)
        alone, shared = torch.cat(list(load())), torch.cat(list(load(num_workers=workers)))
        assert torch.equal(alone, shared)
        assert len(torch.unique(alone[:, 1])) == 9

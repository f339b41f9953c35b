"""Divisions of labelled images that a probe is scored on."""

import pytest
import torch

from swimdiff.errors import ConfigError
from swimdiff.evaluation.probe import draw_division, score_parts

SIZES = {'train': (6, 4), 'val': (2, 1), 'test': (3, 2)}


def data():
    """Features that number the images; class 0 below 100, class 1 from 100 on."""
    first = [0, 100]
    parts = {}
    for name, sizes in SIZES.items():
        numbers = []
        for label, size in enumerate(sizes):
            numbers += range(first[label], first[label] + size)
            first[label] += size
        features = torch.tensor(numbers, dtype=torch.float32)[:, None]
        parts[name] = features, (features[:, 0] >= 100).long()
    return parts


def test_a_division_has_each_image_once_and_each_class_as_often_as_before():
    divided = draw_division(data(), seed=1)
    whole = torch.cat([features for features, _ in divided.values()]).flatten().tolist()
    assert sorted(whole) == [*range(11), *range(100, 107)]
    for name, (features, targets) in divided.items():
        assert torch.equal(targets, (features[:, 0] >= 100).long())
        assert tuple(torch.bincount(targets).tolist()) == SIZES[name]


def test_a_seed_decides_the_division():
    first, again, other = (draw_division(data(), seed)['test'][0].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_several_labels_are_not_divided():
    several = {name: (part[0], torch.ones(len(part[0]), 3)) for name, part in data().items()}
    with pytest.raises(ConfigError, match=r'several labels .* divisions=1'):
        draw_division(several, seed=1)


def test_scores_of_features_that_tell_the_classes_apart_are_whole_in_every_division():
    for seed in range(3):
        scores = score_parts(draw_division(data(), seed), num_classes=2, k=1)
        assert scores.linear == 100

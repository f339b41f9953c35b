"""What each rule promises about the labels of mates, on similarities chosen by hand."""

import math

import pytest
import torch

from swimdiff.errors import ConfigError
from swimdiff.models.selfsup.label_rules import LabelRule, Labels, Matches
from swimdiff.models.selfsup.scene_matching_head import SceneMatchingHead
from swimdiff.registry import LABEL_RULES

RULES = ('none', 'ignore', 'positive', 'scene', 'queue', 'relative', 'with_positive', 'floor')
#: Similarities of unrelated keys: 1,000 of them between -0.2 and 0.2.
OTHERS = torch.linspace(-0.2, 0.2, 1000)


def assign(rule, mates, positive=0.9):
    """Labels of one query's mates at the given similarities, among a thousand unrelated keys."""
    d = torch.cat([torch.tensor(mates), OTHERS])[None]
    own = torch.zeros_like(d, dtype=torch.bool)
    own[:, : len(mates)] = True
    made = LABEL_RULES.build(dict(type=rule) if isinstance(rule, str) else rule)
    y, ignored = made.assign(Matches(d, torch.tensor([positive]), own, torch.ones_like(own)))
    y = torch.zeros_like(d) if y is None else y
    ignored = torch.zeros_like(own) if ignored is None else ignored
    assert not y[~own].any() and not ignored[~own].any(), 'only mates are touched'
    assert not y[ignored].any()
    return y[0, : len(mates)], ignored[0, : len(mates)]


@pytest.mark.parametrize('rule', ['relative', 'with_positive', 'floor', 'positive'])
@pytest.mark.parametrize('count', [1, 2, 4, 40])
def test_mates_as_similar_as_the_positive_count_as_much_whatever_their_number(rule, count):
    y, _ = assign(rule, [0.9] * count)
    assert y.tolist() == pytest.approx([1.0] * count, abs=1e-5)


@pytest.mark.parametrize('count', [1, 2, 4])
def test_against_the_whole_queue_equal_mates_share_one_label(count):
    y, _ = assign('queue', [0.9] * count)
    assert y.tolist() == pytest.approx([y[0].item()] * count)
    assert 0.6 < y.sum() <= 1.0


def test_equal_mates_vanish_where_they_are_weighed_against_each_other_alone():
    """The fault of the first reconstruction, kept under its name."""
    assert assign('scene', [0.9])[0].item() == 1
    assert assign('scene', [-0.2])[0].item() == 1
    assert assign('scene', [0.9, 0.9])[0].abs().max() < 1e-6


@pytest.mark.parametrize('rule', ['queue', 'relative', 'with_positive', 'floor'])
def test_a_mate_as_unlike_as_a_random_key_gets_next_to_nothing(rule):
    y, ignored = assign(rule, [0.1, 0.9])
    assert y[0] < 1e-4
    assert ignored.tolist() == [rule == 'floor', False]


@pytest.mark.parametrize('rule', ['relative', 'with_positive', 'floor', 'positive', 'ignore'])
def test_a_second_mate_does_not_change_the_label_of_the_first(rule):
    alone, together = assign(rule, [0.86]), assign(rule, [0.86, 0.84])
    assert alone[0][0] == pytest.approx(together[0][0])
    assert alone[1][0] == together[1][0]


def test_labels_by_hand():
    y, _ = assign(dict(type='relative', temperature=0.1), [0.7, 0.95])
    assert y.tolist() == pytest.approx([math.exp(-2), 1.0], rel=1e-4)
    y, _ = assign(dict(type='with_positive', temperature=0.1), [0.7, 1.0])
    assert y.tolist() == pytest.approx([math.exp(-2), math.exp(1)], rel=1e-4)
    y, ignored = assign(dict(type='floor', temperature=0.1, threshold=0.5), [0.7, 0.85])
    assert y.tolist() == pytest.approx([0.0, math.exp(-0.5)], rel=1e-4)
    assert ignored.tolist() == [True, False]


@pytest.mark.parametrize('rule', RULES)
def test_without_mates_nothing_is_labelled(rule):
    y, ignored = assign(rule, [])
    assert not len(y) and not len(ignored)


def test_a_rule_of_one_s_own_is_one_class_and_a_name():
    try:

        @LABEL_RULES.register_module('half')
        class HalfLabels(LabelRule):
            def assign(self, matches):
                return Labels(0.5 * matches.mates.float())

        head = SceneMatchingHead('half', temperature=1.0)
        z = torch.eye(2)
        out = head(z[:1], z[:1], torch.tensor([3]), z, torch.tensor([3, 4]))
        # positive and mate at cosine 1 with labels 1 and 0.5, one other key at cosine 0
        expected = math.log(2 * math.e + 1) - 1
        assert out['loss'].item() == pytest.approx(expected, abs=1e-6)
        assert out['mates_mass'].item() == pytest.approx(1 / 3)
    finally:
        LABEL_RULES.module_dict.pop('half', None)


def test_bad_options():
    with pytest.raises(ConfigError, match=r"no label rule 'hard'; known are .*relative"):
        SceneMatchingHead('hard')
    with pytest.raises(ConfigError, match='no label rule None'):
        SceneMatchingHead(dict(temperature=0.1))
    with pytest.raises(ConfigError, match='above 0'):
        SceneMatchingHead(dict(type='relative', temperature=0.0))
    with pytest.raises(ConfigError, match='threshold'):
        SceneMatchingHead(dict(type='floor', threshold=0.0))

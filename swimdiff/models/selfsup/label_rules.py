"""Label rules: what the label of a key of the query's own scene (a mate) is.

Paper: keys cropped from the query's own scene are false negatives; their labels are recalibrated.
Summary: the recalibration is adaptive and rests on a relative distribution of cosine similarities
with its own temperature tau'. The formulas are reconstructions; docs/concepts/method.md says how
they were chosen and docs/evidence/defaults.md holds them against each other.

A rule of one's own is one class with one method, registered under the name that a config gives::

    @LABEL_RULES.register_module('half')
    class HalfLabels(LabelRule):
        def assign(self, matches):
            return Labels(0.5 * matches.mates.float())

    model = dict(head=dict(rule='half'))
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.registry import LABEL_RULES

__all__ = [
    'FloorLabels',
    'IgnoreMates',
    'LabelRule',
    'Labels',
    'Matches',
    'PlainLabels',
    'PositiveLabels',
    'QueueLabels',
    'RelativeLabels',
    'SceneLabels',
    'WithPositiveLabels',
]


@dataclass(frozen=True)
class Matches:
    """Hold what a rule may look at: N queries and the K candidates they meet.

    Args:
        similarity (Tensor): N x K float32 cosine similarities d_j of the anchor to the candidates.
        positive (Tensor): N float32 cosine similarities d_+ of the query to its positive key.
        mates (Tensor): N x K bool, True where the candidate is of the query's scene.
        known (Tensor): N x K bool, False for a slot not yet filled and for the positive itself.
    """

    similarity: Tensor
    positive: Tensor
    mates: Tensor
    known: Tensor


class Labels(NamedTuple):
    """Hold what a rule decides; the positive key has the label 1.

    Args:
        y (Tensor, optional): N x K labels of at least 0, before the division by their sum; None
            for zeros.
        ignored (Tensor, optional): N x K bool, candidates that leave the denominator; None for
            none.
    """

    y: Tensor | None = None
    ignored: Tensor | None = None


class LabelRule(ABC):
    """Assign labels to the candidates of a batch of queries, without gradient."""

    @abstractmethod
    def assign(self, matches: Matches) -> Labels:
        """Return the labels of N x K candidates."""


def _check_positive(rule: LabelRule, **options: float) -> None:
    if min(options.values()) <= 0:
        raise ConfigError(f'{type(rule).__name__}: expected values above 0, got {options}')


def _softmax(scores: Tensor, among: Tensor) -> Tensor:
    """Return the softmax over some entries of each row, 0 elsewhere and in rows without any."""
    scores = scores.masked_fill(~among, -math.inf)
    peak = scores.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(scores.dtype).min)
    weights = scores.sub_(peak).exp_()
    return weights.div_(weights.sum(dim=1, keepdim=True).clamp_(min=1e-30))


def _confidence(b: Tensor, among: Tensor) -> Tensor:
    """Return 1 - H(b) / log n of each row's distribution over n entries, N x 1; 1 for n = 1."""
    n = among.sum(dim=1)
    ratio = torch.special.entr(b).sum(dim=1) / n.clamp(min=2).log()
    return torch.where(n > 1, 1 - ratio, 1.0).clamp_(0, 1)[:, None]


@LABEL_RULES.register_module('none')
class PlainLabels(LabelRule):
    """Leave mates what MoCo v2 takes them for: negatives.

    Example::

        head = dict(type='SceneMatchingHead', rule='none')
    """

    def assign(self, matches: Matches) -> Labels:
        """Return no labels."""
        return Labels()


@LABEL_RULES.register_module('ignore')
class IgnoreMates(LabelRule):
    """Take mates out of the denominator: neither attracted nor pushed away.

    Example::

        head = dict(type='SceneMatchingHead', rule='ignore')
    """

    def assign(self, matches: Matches) -> Labels:
        """Return the mates as ignored."""
        return Labels(ignored=matches.mates)


@LABEL_RULES.register_module('positive')
class PositiveLabels(LabelRule):
    """Give every mate the label of the positive (hard positives, as in SupCon).

    Example::

        head = dict(type='SceneMatchingHead', rule='positive')
    """

    def assign(self, matches: Matches) -> Labels:
        """Return y = 1 for the mates."""
        return Labels(matches.mates.to(matches.similarity.dtype))


# 'soft' is what configs called it before there were others.
@LABEL_RULES.register_module(['scene', 'soft'])
class SceneLabels(LabelRule):
    """Weigh the mates of a query against each other.

    It is the first reconstruction, with a known fault.

    ::

        b = softmax(d / tau')       over the mates S(q) only
        c = 1 - H(b) / log n        confidence; n = |S(q)|, and c = 1 for n = 1
        y = min(1, c K b)           on S(q)

    The confidence says how *unlike* each other the mates are: equally similar mates get no label
    and are pushed away, a single mate gets the label 1 however unlike the query it is.

    Example::

        head = dict(type='SceneMatchingHead', rule=dict(type='scene', temperature=0.05, scale=1.0))

    Args:
        temperature (float): tau', above 0. Defaults to 0.05.
        scale (float): K, above 0. Defaults to 1.
    """

    def __init__(self, temperature: float = 0.05, scale: float = 1.0) -> None:
        _check_positive(self, temperature=temperature, scale=scale)
        self.temperature = temperature
        self.scale = scale

    def assign(self, matches: Matches) -> Labels:
        """Return labels in [0, 1]."""
        b = _softmax(matches.similarity / self.temperature, matches.mates)
        return Labels((b * (self.scale * _confidence(b, matches.mates))).clamp_(max=1))


@LABEL_RULES.register_module('queue')
class QueueLabels(SceneLabels):
    """Weigh the mates against the whole queue as ASCL does; label mates only.

    ::

        b = softmax(d / tau')       over all candidates
        c = 1 - H(b) / log K_n      K_n = number of candidates
        y = min(1, c K b)           on S(q)

    (Feng and Patras, ICPR 2022, arXiv 2207.11163, equations 4 to 6, restricted to the scene.)

    Example::

        head = dict(type='SceneMatchingHead', rule=dict(type='queue', temperature=0.05, scale=1.0))
    """

    def assign(self, matches: Matches) -> Labels:
        """Return labels in [0, 1]."""
        b = _softmax(matches.similarity / self.temperature, matches.known)
        y = (b * (self.scale * _confidence(b, matches.known))).clamp_(max=1)
        return Labels(y.mul_(matches.mates))


@LABEL_RULES.register_module('relative')
class RelativeLabels(LabelRule):
    """Weigh each mate against the query's own positive.

    ::

        y_j = min(1, exp((d_j - d_+) / tau'))       on S(q)

    A mate as similar as the positive counts as much as the positive, whatever the number of mates;
    one that is unlike the query counts for next to nothing.

    Example::

        head = dict(type='SceneMatchingHead', rule=dict(type='relative', temperature=0.05))

    Args:
        temperature (float): tau', above 0. Defaults to 0.05.
    """

    def __init__(self, temperature: float = 0.05) -> None:
        _check_positive(self, temperature=temperature)
        self.temperature = temperature

    def assign(self, matches: Matches) -> Labels:
        """Return labels in [0, 1]."""
        behind = (matches.similarity - matches.positive[:, None]).div_(self.temperature)
        return Labels(behind.clamp_(max=0).exp_().mul_(matches.mates))


@LABEL_RULES.register_module('with_positive')
class WithPositiveLabels(RelativeLabels):
    """Let the positive compete with the mates.

    Labels are b = softmax(d / tau') over both.

    With the positive's label set to 1 this is ``y_j = exp((d_j - d_+) / tau')`` on S(q): a mate
    more similar than the positive takes most of the label.

    Example::

        head = dict(type='SceneMatchingHead', rule=dict(type='with_positive', temperature=0.05))
    """

    def assign(self, matches: Matches) -> Labels:
        """Return labels of at least 0, above 1 for a mate more similar than the positive."""
        ahead = (matches.similarity - matches.positive[:, None]).div_(self.temperature)
        # exp(60) and its sums over a queue stay finite in float32.
        return Labels(ahead.clamp_(max=60).exp_().mul_(matches.mates))


@LABEL_RULES.register_module('floor')
class FloorLabels(RelativeLabels):
    """Label mates as ``relative`` does, and ignore those below a threshold.

    None is pushed away.

    Example::

        head = dict(type='SceneMatchingHead', rule=dict(type='floor', threshold=0.1))

    Args:
        temperature (float): tau', above 0. Defaults to 0.05.
        threshold (float): Label below which a mate leaves the denominator, above 0. Defaults to
            0.1.
    """

    def __init__(self, temperature: float = 0.05, threshold: float = 0.1) -> None:
        super().__init__(temperature)
        _check_positive(self, threshold=threshold)
        self.threshold = threshold

    def assign(self, matches: Matches) -> Labels:
        """Return labels of 0 or at least the threshold, and the ignored mates."""
        y = super().assign(matches).y
        assert y is not None
        ignored_pairs = matches.mates & (y < self.threshold)
        return Labels(y.masked_fill_(ignored_pairs, 0), ignored_pairs)

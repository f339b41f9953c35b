"""Logistic regression on fixed features, chosen on validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from swimdiff.evaluation.average_precision import mean_average_precision

__all__ = ['LinearProbe', 'Scaler', 'choose_score', 'fit_linear', 'search_linear']

#: Weights of the L2 penalty that are tried: the mean loss is of order 1, features are scaled to
#: unit mean square.
PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Scaler:
    """Shift and scale of features, taken from the training part only.

    Args:
        shift: D numbers subtracted.
        scale: D numbers divided by.
    """

    shift: Tensor
    scale: Tensor

    @classmethod
    def fit(cls, features: Tensor, standardise: bool) -> 'Scaler':
        """Fit mean 0 and deviation 1 in every dimension, or one common scale for all.

        The common scale leaves directions and relative sizes as they are and gives the penalty the
        same meaning for every network.

        Args:
            features: N x D.
            standardise: Scale every dimension on its own.
        """
        if standardise:
            spread = features.std(dim=0, correction=0)
            return cls(features.mean(dim=0), torch.where(spread > 1e-8, spread, 1.0))
        rms = features.square().mean().sqrt().clamp_min(1e-12)
        return cls(torch.zeros_like(features[0]), rms.expand_as(features[0]).clone())

    def __call__(self, features: Tensor) -> Tensor:
        """Scale N x D features."""
        return (features - self.shift) / self.scale


@dataclass(frozen=True)
class LinearProbe:
    """Hold a fitted classifier.

    Args:
        scaler: Applied first.
        weight: C x D.
        bias: C.
    """

    scaler: Scaler
    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """N x C scores of N x D features, before softmax or sigmoid."""
        return F.linear(self.scaler(features), self.weight, self.bias)


def choose_score(several: bool) -> tuple[str, Callable[[Tensor, Tensor], float]]:
    """Return name and function of the score.

    It is accuracy, or micro mAP where images have several labels.

    Args:
        several: Targets are N x C of 0 and 1, not N labels.

    Returns:
        The name, and a function of N x C scores and the targets that gives per cent.
    """

    def accuracy(scores: Tensor, targets: Tensor) -> float:
        return 100.0 * (scores.argmax(dim=1) == targets).double().mean().item()

    def micro(scores: Tensor, targets: Tensor) -> float:
        return mean_average_precision(scores.cpu().numpy(), targets.cpu().numpy())['mAP_micro']

    return ('mAP micro', micro) if several else ('accuracy', accuracy)


def fit_linear(
    features: Tensor,
    targets: Tensor,
    num_classes: int,
    penalty: float,
    standardise: bool,
    start: LinearProbe | None = None,
    iterations: int = 200,
) -> LinearProbe:
    """Fit softmax regression, or one logistic regression per class.

    The latter is for targets of several labels.

    The problem is convex and starts at zero: nothing is random.

    Args:
        features: N x D.
        targets: N int64 labels, or N x C of 0 and 1.
        num_classes: C.
        penalty: Weight of half the squared norm of the weights, beside the mean loss.
        standardise: Scale every dimension on its own, see :class:`Scaler`.
        start: Where to start, for speed; must have been fitted with the same scaling.
        iterations: Most steps of L-BFGS.
    """
    scaler = start.scaler if start else Scaler.fit(features, standardise)
    inputs = scaler(features)
    weight = start.weight.clone() if start else inputs.new_zeros(num_classes, inputs.shape[1])
    bias = start.bias.clone() if start else inputs.new_zeros(num_classes)
    weight.requires_grad_()
    bias.requires_grad_()
    solver = torch.optim.LBFGS(
        [weight, bias],
        max_iter=iterations,
        history_size=20,
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
        line_search_fn='strong_wolfe',
    )

    def closure() -> Tensor:
        solver.zero_grad()
        scores = F.linear(inputs, weight, bias)
        if targets.ndim == 1:
            loss = F.cross_entropy(scores, targets)
        else:
            loss = F.multilabel_soft_margin_loss(scores, targets.to(scores.dtype))
        loss = loss + 0.5 * penalty * weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return LinearProbe(scaler, weight.detach(), bias.detach())


def search_linear(
    train: tuple[Tensor, Tensor],
    val: tuple[Tensor, Tensor],
    num_classes: int,
    score: Callable[[Tensor, Tensor], float],
    penalties: Sequence[float] = PENALTIES,
    standardise: Sequence[bool] = (False, True),
    iterations: int = 200,
) -> tuple[LinearProbe, dict]:
    """Choose scaling and penalty on the validation part, without the test part.

    Args:
        train: Features N x D and targets.
        val: Features and targets that decide.
        num_classes: C.
        score: Score of N x C predictions against targets, higher is better.
        penalties: Weights tried, each fit starting from the one before.
        standardise: Scalings tried.
        iterations: Most steps of each fit.

    Returns:
        The best probe, and what was chosen: ``standardise``, ``penalty``, ``val``.
    """
    best: tuple[LinearProbe, dict] | None = None
    for scaling in standardise:
        probe: LinearProbe | None = None
        for penalty in sorted(penalties, reverse=True):
            probe = fit_linear(*train, num_classes, penalty, scaling, probe, iterations)
            value = score(probe(val[0]), val[1])
            if best is None or value > best[1]['val']:
                best = probe, dict(standardise=scaling, penalty=penalty, val=value)
    assert best is not None
    return best

import numpy as np
import pytest
import torch

from swimdiff.evaluation.linear_probe import Scaler, fit_linear, search_linear


def blobs(n, seed=0, several=False):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    centres = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]])
    features = centres[labels] + torch.randn(n, 3, generator=generator)
    return features, (torch.nn.functional.one_hot(labels, 3) if several else labels)


@pytest.mark.parametrize('standardise', [False, True])
@pytest.mark.parametrize('penalty', [1e-3, 1e-1])
def test_gradient_vanishes_at_the_solution(standardise, penalty):
    """The problem is convex: a point without slope, by hand in NumPy, is the solution."""
    features, labels = blobs(60)
    probe = fit_linear(features, labels, 3, penalty, standardise)
    raw = features.double().numpy()
    rms = np.sqrt((raw**2).mean())
    scaled = (raw - raw.mean(0)) / raw.std(0) if standardise else raw / rms
    weight, bias = probe.weight.double().numpy(), probe.bias.double().numpy()
    scores = scaled @ weight.T + bias
    share = np.exp(scores - scores.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    error = share - np.eye(3)[labels.numpy()]
    assert np.abs(error.T @ scaled / 60 + penalty * weight).max() < 1e-4
    assert np.abs(error.mean(0)).max() < 1e-4
    assert np.abs(probe(features).numpy() - scores).max() < 1e-4


def test_several_labels_fit_one_sigmoid_a_class():
    features, targets = blobs(60, several=True)
    probe = fit_linear(features, targets, 3, 1e-2, True)
    scores = probe(features)
    error = scores.sigmoid() - targets
    slope = error.T @ probe.scaler(features) / (60 * 3) + 1e-2 * probe.weight
    assert slope.abs().max() < 1e-4


def test_scaler_ignores_constant_dimensions():
    features = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert Scaler.fit(features, True)(features).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_choice_is_made_on_validation_alone():
    def accuracy(scores, labels):
        return 100.0 * (scores.argmax(1) == labels).float().mean().item()

    train, val = blobs(90, 0), blobs(60, 1)
    probe, chosen = search_linear(train, val, 3, accuracy, penalties=(1e-4, 10.0, 1e3))
    assert chosen['val'] == accuracy(probe(val[0]), val[1])
    best = max(
        accuracy(fit_linear(*train, 3, penalty, scaling)(val[0]), val[1])
        for penalty in (1e-4, 10.0, 1e3)
        for scaling in (False, True)
    )
    assert chosen['val'] == pytest.approx(best, abs=2)
    assert chosen['val'] > 85
    again, _ = search_linear(train, val, 3, accuracy, penalties=(1e-4, 10.0, 1e3))
    assert torch.equal(probe.weight, again.weight)

"""The three numbers against loops in numpy and cases worked by hand."""

import math

import numpy as np
import pytest
import torch

from swimdiff.evaluation.spread import embedding_spread


def naive(embeddings):
    z = embeddings.double().numpy()
    z = np.stack([row / np.sqrt((row**2).sum()) for row in z])
    std = np.mean([z[:, d].std() for d in range(z.shape[1])]) * math.sqrt(z.shape[1])
    pairs = [z[i] @ z[j] for i in range(len(z)) for j in range(len(z)) if i != j]
    share = np.linalg.svd(z, compute_uv=False)
    share = share / share.sum()
    rank = math.exp(-sum(p * math.log(p) for p in share if p > 0))
    return std, np.mean(pairs), rank


@pytest.mark.parametrize('shape', [(40, 8), (5, 16), (2, 3)])
@pytest.mark.parametrize('offset', [0.0, 3.0])
def test_against_loops(shape, offset):
    z = torch.randn(*shape, generator=torch.Generator().manual_seed(0)) + offset
    found = embedding_spread(z)
    assert (found.std, found.cosine, found.rank) == pytest.approx(naive(z), rel=1e-6, abs=1e-9)


def test_one_point():
    found = embedding_spread(torch.ones(10, 4) * torch.arange(1, 11)[:, None])
    assert found.std == pytest.approx(0, abs=1e-6)
    assert found.cosine == pytest.approx(1)
    assert found.rank == pytest.approx(1, abs=1e-6)


def test_the_axes_of_the_space():
    z = torch.cat([torch.eye(6), -torch.eye(6)])
    found = embedding_spread(z)
    assert found.rank == pytest.approx(6)
    assert found.std == pytest.approx(1)  # variance 2 / 12 in each of 6 dimensions
    assert found.cosine == pytest.approx(-12 / (12 * 11))


def test_not_a_number():
    z = torch.randn(4, 3)
    z[2, 1] = math.nan
    assert all(math.isnan(value) for value in vars(embedding_spread(z)).values())

"""Remarks on a run, against cases worked by hand."""

import numpy as np
import torch

from swimdiff.visualization.plain_words import (
    explain_losses,
    explain_neighbours,
    explain_reliance,
)


def test_losses_are_compared_once_the_queue_is_full():
    losses = dict(
        step=np.arange(1, 13),
        loss_contrast=np.array([0.0, 1, 4.0, 4, 4, 4, 4, 4, 3, 3, 3, 3]),
        loss_diffusion=np.full(12, 0.5),
    )
    contrast, diffusion = explain_losses(losses, filling=2)
    assert contrast.good and contrast.text.endswith('fell: 4.00 to 3.00.')
    assert not diffusion.good and 'did not fall: 0.50 to 0.50' in diffusion.text
    assert str(diffusion).startswith('NOT GOOD: The diffusion loss')
    relative = dict(step=np.arange(2), diffusion_relative_error=np.array([1.1, 0.7]))
    (remark,) = explain_losses(relative, 0)
    assert remark.good and remark.text.endswith('without a network) fell: 1.10 to 0.70.')
    assert explain_losses(dict(step=np.array([1]), loss_contrast=np.array([1.0])), 0) == []


def test_neighbours_of_the_same_place_against_chance():
    # Patches 0, 1 of place 0 and 2, 3 of place 1; only patch 3 looks like the other place.
    features = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1], [0.8, 0.6]])
    features = torch.nn.functional.normalize(features, dim=1)
    (remark,) = explain_neighbours(features, [0, 0, 1, 1])
    # Nearest: 0 -> 1, 1 -> 0, 2 -> 3, 3 -> 1: three of four; by chance one of three.
    assert remark.text.startswith('In 8 of 10 queries')
    assert 'by chance it would be 3.3 of 10' in remark.text and remark.good
    (alike,) = explain_neighbours(torch.eye(4)[[0, 1, 0, 1]], [0, 0, 1, 1])
    assert not alike.good and alike.text.startswith('In 0 of 10')
    assert explain_neighbours(features, [0, 1, 2, 3]) == []  # nothing to be found


def test_reliance_is_the_error_with_foreign_features():
    truth = torch.full((1, 2, 2), 100, dtype=torch.uint8)
    own, other = truth[None] + 3, truth[None] + 30
    remark = explain_reliance(truth, own, other)
    assert 'wrong by 3 grey values' in remark.text and 'by 30, so the encoder is needed' in str(
        remark
    )
    assert remark.good and not explain_reliance(truth, own, own).good

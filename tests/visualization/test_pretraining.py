"""The parts of the pre-training picture, against naive computations."""

import json

import numpy as np
import pytest
import torch
from matplotlib.text import Text

from swimdiff.errors import DataError
from swimdiff.registry import MODELS
from swimdiff.visualization.pretraining import (
    cut_patches,
    denoising_strip,
    embed,
    nearest,
    pretraining_figure,
    read_losses,
)

BANDS = ('B04', 'B03', 'B02', 'B08')


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    made = MODELS.build(
        dict(
            type='SwiMDiff',
            backbone=dict(
                type='mmpretrain.ResNet', depth=18, in_channels=4, out_indices=(0, 1, 2, 3)
            ),
            neck=dict(type='ProjectionNeck', out_channels=8),
            head=dict(type='SceneMatchingHead'),
            queue=dict(type='SceneQueue', length=8),
            momentum_encoder=dict(type='MomentumEncoder'),
            diffusion=dict(type='DiffusionBranch'),
            data_preprocessor=dict(type='MultiBandPreprocessor', bands=BANDS),
        )
    )
    made.eval()
    return made


def write_log(folder, rows):
    path = folder / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(row) for row in rows))


def test_losses_of_a_resumed_run_are_one_curve(tmp_path):
    rows = [dict(step=s, loss_contrast=float(s), loss_diffusion=1.0) for s in (10, 20, 30)]
    write_log(tmp_path / '20260101_000000', rows)
    again = [dict(step=s, loss_contrast=-float(s), loss_diffusion=0.5) for s in (30, 40)]
    write_log(tmp_path / '20260101_000001', [*again, dict(step=40, knn=1.0)])
    losses = read_losses(tmp_path)
    assert losses['step'].tolist() == [10, 20, 30, 40]
    assert losses['loss_contrast'].tolist() == [10, 20, -30, -40]
    assert losses['loss_diffusion'].tolist() == [1, 1, 0.5, 0.5]
    assert 'diffusion_relative_error' not in losses  # older logs have none
    with pytest.raises(DataError, match=r'scalars\.json'):
        read_losses(tmp_path / 'nothing')


def test_the_error_relative_to_no_network_is_shown_where_it_is_logged(tmp_path):
    row = dict(loss_contrast=4.0, loss_diffusion=2.4, diffusion_relative_error=0.8)
    write_log(tmp_path / '20260101_000000', [dict(row, step=s) for s in (10, 20)])
    losses = read_losses(tmp_path)
    assert list(losses) == ['step', 'loss_contrast', 'diffusion_relative_error']
    assert losses['diffusion_relative_error'].tolist() == [0.8, 0.8]


def test_patches_lie_side_by_side_and_know_their_image():
    images = [torch.randint(256, (4, 9, 13), dtype=torch.uint8) for _ in range(2)]
    patches, origin = cut_patches(images, 4)
    naive = [image[:, y : y + 4, x : x + 4] for image in images for y in (0, 4) for x in (0, 4, 8)]
    assert torch.equal(patches, torch.stack(naive))
    assert origin == [0] * 6 + [1] * 6


def test_neighbours_are_the_most_similar_others():
    features = torch.nn.functional.normalize(torch.randn(12, 5), dim=1)
    found = nearest(features, [3, 7], 4)
    for row, query in zip(found.tolist(), (3, 7), strict=True):
        others = [i for i in range(12) if i != query]
        naive = sorted(others, key=lambda i: -float(features[query] @ features[i]))
        assert row == naive[:4]


def test_features_do_not_depend_on_how_patches_are_batched(model):
    patches = torch.randint(256, (5, 4, 64, 64), dtype=torch.uint8)
    assert torch.allclose(embed(model, patches, 2), embed(model, patches, 5), atol=1e-5)


def test_little_noise_is_little_change_and_the_same_seed_the_same_noise(model):
    patch = torch.randint(60, 200, (4, 64, 64), dtype=torch.uint8)
    other = torch.randint(60, 200, (4, 64, 64), dtype=torch.uint8)
    torch.nn.init.normal_(model.diffusion.decoder.out_conv.weight, std=0.1)
    noised, estimates, exchanged = denoising_strip(model, patch, (0, 900), other=other)
    assert exchanged.shape == estimates.shape and not torch.equal(exchanged, estimates)
    same = denoising_strip(model, patch, (0, 900), other=patch)
    assert torch.equal(same[1], same[2])
    assert noised.shape == estimates.shape == (2, 4, 64, 64)
    change = (noised.int() - patch.int()).abs().float().mean(dim=(1, 2, 3))
    assert change[0] < 3 < 20 < change[1]
    assert torch.equal(noised, denoising_strip(model, patch, (0, 900))[0])


def test_the_picture_is_drawn(model, tmp_path):
    losses = {'step': np.arange(3), 'loss_contrast': np.ones(3), 'loss_diffusion': np.ones(3)}
    images = [torch.randint(256, (4, 130, 130), dtype=torch.uint8) for _ in range(3)]
    figure, remarks = pretraining_figure(
        losses, model, images, BANDS, filling=1, rows=2, neighbours=3
    )
    titles = [axis.get_title() for axis in figure.axes]
    assert sum(title.startswith('query') for title in titles) == 2
    assert sum(title.startswith('t = ') for title in titles) == 5
    figure.savefig(tmp_path / 'picture.png')
    # Of the diffusion loss (the other has one value after the filling), the strip, the neighbours.
    assert len(remarks) == 3
    written = {text.get_text() for text in figure.findobj(Text)}
    assert written >= {str(remark) for remark in remarks}

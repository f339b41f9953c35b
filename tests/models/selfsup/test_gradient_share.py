"""The share of the diffusion loss in the encoder's gradient, against two backward passes."""

import pytest
import torch
from torch import nn

from swimdiff.models.selfsup.gradient_share import group_by_stage, measure_gradients
from swimdiff.registry import MODELS


def test_shares_are_ratios_of_the_norms_of_two_backward_passes():
    torch.manual_seed(0)
    backbone = nn.ModuleDict({'conv1': nn.Linear(4, 5), 'layer1': nn.Linear(5, 6)})
    backbone['conv1'].bias.requires_grad_(False)

    def losses():
        out = backbone['layer1'](backbone['conv1'](torch.ones(2, 4)).relu())
        contrast, pixels = out.square().mean(), 3 * out.abs().sum()
        return {'loss_contrast': contrast, 'loss_diffusion': pixels, 'seen': contrast.detach()}

    given = losses()
    found = measure_gradients(given, backbone)
    norms = {}
    for name in ('loss_contrast', 'loss_diffusion'):
        backbone.zero_grad()
        losses()[name].backward()
        squares = {
            n: sum(float(p.grad.square().sum()) for p in part.parameters() if p.requires_grad)
            for n, part in backbone.items()
        }
        norms[name] = {**squares, '': sum(squares.values())}
    for stage in ('conv1', 'layer1', ''):
        expected = (norms['loss_diffusion'][stage] / norms['loss_contrast'][stage]) ** 0.5
        key = f'gradient_share_{stage}'.rstrip('_')
        assert found[key].item() == pytest.approx(expected, rel=1e-5)
    # the graph is still there for the step itself
    (given['loss_contrast'] + given['loss_diffusion']).backward()


def test_nothing_without_both_losses():
    assert measure_gradients({'loss_contrast': torch.ones(())}, nn.Linear(1, 1)) == {}


@pytest.mark.parametrize(
    ('config', 'stages'),
    [
        (
            dict(type='mmpretrain.ResNet', depth=18),
            ['conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'layer4'],
        ),
        (
            dict(type='mmpretrain.SwinTransformer', arch='tiny'),
            ['patch_embed', 'stages.0', 'stages.1', 'stages.2', 'stages.3', 'norm3'],
        ),
    ],
)
def test_stages_of_backbones(config, stages):
    backbone = MODELS.build(config)
    grouped = group_by_stage(backbone)
    assert list(grouped) == stages
    counted = sum(len(members) for members in grouped.values())
    assert counted == len(list(backbone.parameters()))

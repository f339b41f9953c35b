"""The fused update against a plain loop."""

import math

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from swimdiff.errors import ConfigError
from swimdiff.models.selfsup.momentum_encoder import MomentumEncoder


def encoder_parts():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
    return backbone, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def disturb(*modules):
    with torch.no_grad():
        for module in modules:
            for value in [*module.parameters(), *module.buffers()]:
                value.add_(torch.randn_like(value.float()).to(value.dtype) + 1)


def test_update_is_the_plain_loop():
    backbone, neck = encoder_parts()
    key = MomentumEncoder(backbone, neck, momentum=0.9)
    expected = [p.detach().clone() for p in key.parameters()]
    for _ in range(3):
        disturb(backbone, neck)
        key.update(backbone, neck)
        for old, new in zip(expected, [*backbone.parameters(), *neck.parameters()], strict=True):
            old.mul_(0.9).add_(new.detach(), alpha=0.1)
    for mine, reference in zip(key.parameters(), expected, strict=True):
        assert torch.allclose(mine, reference, atol=1e-6)
        assert not mine.requires_grad


@pytest.mark.parametrize('policy', ['own', 'average', 'copy'])
def test_batch_norm_buffers_follow_the_policy(policy):
    backbone, neck = encoder_parts()
    key = MomentumEncoder(backbone, neck, momentum=0.75, buffers=policy)
    disturb(backbone)
    before = key.backbone[1].running_mean.clone()
    key.update(backbone, neck)
    share = {'own': 0.0, 'average': 0.25, 'copy': 1.0}[policy]
    expected = before + share * (backbone[1].running_mean - before)
    assert torch.allclose(key.backbone[1].running_mean, expected)


def test_own_statistics_come_from_the_keys():
    backbone, neck = encoder_parts()
    key = MomentumEncoder(backbone, neck)
    x = torch.randn(8, 2, 6, 6) + 5
    key(x)
    expected = 0.1 * key.backbone[0](x).mean(dim=(0, 2, 3))
    assert torch.allclose(key.backbone[1].running_mean, expected, atol=1e-5)
    assert torch.equal(backbone[1].running_mean, torch.zeros(4))


def test_cosine_momentum_follows_the_runner_s_position():
    backbone, neck = encoder_parts()
    key = MomentumEncoder(backbone, neck, momentum=0.99, schedule='cosine')
    hub = MessageHub.get_instance('test_momentum')
    with pytest.raises(ConfigError, match='cosine'):
        key.current_momentum()
    hub.update_info('max_iters', 100)
    for step, expected in ((0, 0.99), (50, 0.995), (100, 1.0)):
        hub.update_info('iter', step)
        assert key.current_momentum() == pytest.approx(expected)
    hub.update_info('iter', 25)
    assert key.current_momentum() == pytest.approx(1 - 0.01 * (math.cos(math.pi / 4) + 1) / 2)


def test_bad_options():
    parts = encoder_parts()
    for options in ({'momentum': 1.5}, {'schedule': 'linear'}, {'buffers': 'both'}):
        with pytest.raises(ConfigError, match='MomentumEncoder'):
            MomentumEncoder(*parts, **options)

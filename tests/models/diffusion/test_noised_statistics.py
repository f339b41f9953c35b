"""Batch norm in the noised pass where layers do not train, and where weights are loaded."""

import pytest
import torch
from mmpretrain.structures import DataSample
from torch import nn

from swimdiff.registry import MODELS


def build(init_cfg=None, **backbone):
    torch.manual_seed(0)
    thin = dict(stem_channels=16, base_channels=16)
    backbone = dict(depth=18, out_indices=(0, 1, 2, 3), **thin, **backbone)
    resnet = dict(type='mmpretrain.ResNet', **backbone)
    if init_cfg:
        resnet['init_cfg'] = init_cfg
    return MODELS.build(
        dict(
            type='SwiMDiff',
            backbone=resnet,
            neck=dict(type='ProjectionNeck', out_channels=16),
            head=dict(type='SceneMatchingHead', rule='soft'),
            queue=dict(type='SceneQueue', length=12),
            momentum_encoder=dict(type='MomentumEncoder', momentum=0.9),
            diffusion=dict(type='DiffusionBranch'),
        )
    )


def pretrained():
    """Weights of a backbone whose running statistics are far from 0 and 1."""
    state = build().backbone.state_dict()
    for name, value in state.items():
        if name.endswith('running_mean'):
            value.uniform_(-0.3, 0.3)
        elif name.endswith('running_var'):
            value.uniform_(0.4, 0.6)
        elif name.endswith('num_batches_tracked'):
            value.fill_(1000)
    return state


def norms(model):
    return {
        name: layer
        for name, layer in model.backbone.named_modules()
        if isinstance(layer, nn.BatchNorm2d)
    }


def own(model, name, buffer):
    return getattr(model.diffusion.statistics, f'{name}.{buffer}'.replace('.', '-'))


def check_started(model):
    """Own statistics and key encoder are those of the backbone; no noised batch was counted."""
    assert norms(model)
    for name, layer in norms(model).items():
        assert layer.running_var.mean() < 0.7
        for buffer in ('running_mean', 'running_var'):
            assert torch.equal(own(model, name, buffer), getattr(layer, buffer)), (name, buffer)
            key = getattr(model.momentum_encoder.backbone.get_submodule(name), buffer)
            assert torch.equal(key, getattr(layer, buffer))
        assert own(model, name, 'num_batches_tracked') == 0


def noised_features(model, x):
    with torch.no_grad(), model.diffusion.statistics.lend(model.backbone):
        return model.backbone(x)


def test_loading_a_backbone_starts_the_own_statistics():
    model = build()
    weights = {f'backbone.{name}': value for name, value in pretrained().items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and not any(name.startswith('diffusion.stat') for name in missing)
    check_started(model)


def test_initialising_from_a_file_starts_the_own_statistics(tmp_path):
    torch.save(pretrained(), tmp_path / 'backbone.pth')
    model = build(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'backbone.pth')))
    model.init_weights()
    check_started(model)


def test_statistics_of_a_checkpoint_are_kept():
    trained = build()
    with torch.no_grad():
        for buffer in trained.diffusion.statistics.buffers():
            buffer.fill_(7)
    model = build()
    model.load_state_dict(trained.state_dict())
    assert all((buffer == 7).all() for buffer in model.diffusion.statistics.buffers())


@pytest.mark.parametrize('options', [dict(norm_eval=True), dict(frozen_stages=2)])
def test_layers_in_evaluation_mode_use_their_clean_statistics(options):
    model = build(**options)
    model.backbone.load_state_dict(pretrained())  # past every hook: own statistics are 0 and 1
    model.train()
    fixed = {name for name, layer in norms(model).items() if not layer.training}
    assert len(fixed) == (20 if 'norm_eval' in options else 10)
    x = torch.randn(4, 3, 64, 64)
    reference = build()
    reference.backbone.load_state_dict(pretrained())
    for name, layer in norms(reference).items():  # the plain backbone, in the same modes
        layer.train(name not in fixed)
    expected = reference.backbone(x)
    for mine, theirs in zip(noised_features(model, x), expected, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)
    for name in norms(model):
        counted = own(model, name, 'num_batches_tracked').item()
        assert counted == (0 if name in fixed else 1)
        assert (own(model, name, 'running_var') == 1).all().item() is (name in fixed)

    model.eval()  # denoising: own statistics where a noised batch has filled them, else clean ones
    for name, layer in norms(reference).items():
        layer.eval()
        layer.load_state_dict(norms(model)[name].state_dict())
        if name not in fixed:
            layer.running_mean.copy_(own(model, name, 'running_mean'))
            layer.running_var.copy_(own(model, name, 'running_var'))
    pairs = zip(noised_features(model, x), reference.backbone(x), strict=True)
    assert all(torch.allclose(mine, theirs, atol=1e-5) for mine, theirs in pairs)


def test_a_frozen_backbone_builds_and_trains_the_rest():
    model = build(frozen_stages=4)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    model.train()
    model.watch_gradients = True  # as GradientShareHook asks: there is no gradient to share
    views = [torch.randn(4, 3, 64, 64) for _ in range(2)]
    samples = [DataSample(metainfo=dict(scene_id=i)) for i in (0, 0, 1, 2)]
    for _ in range(2):  # the first time, nothing is in the queue
        total, logged = model.parse_losses(model.loss([view.clone() for view in views], samples))
        total.backward()
    assert 'gradient_share' not in logged
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert all(p.grad is not None for p in model.neck.parameters())
    assert model.diffusion.decoder.out_conv.weight.grad.abs().sum() > 0
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name

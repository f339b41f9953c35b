"""What the hooks of the diffusion branch log and say, and that training does not notice them."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmpretrain.structures import DataSample

from swimdiff.engine.guards.feature_reliance_hook import FeatureRelianceHook
from swimdiff.engine.guards.gradient_share_hook import GradientShareHook
from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = MODELS.build(
        dict(
            type='SwiMDiff',
            backbone=dict(
                type='mmpretrain.ResNet',
                depth=18,
                stem_channels=8,
                base_channels=8,
                out_indices=(0, 1, 2, 3),
            ),
            neck=dict(type='ProjectionNeck', out_channels=8),
            momentum_encoder=dict(type='MomentumEncoder'),
            queue=dict(type='SceneQueue', length=8),
            head=dict(type='SceneMatchingHead'),
            diffusion=dict(
                type='DiffusionBranch',
                decoder=dict(channels=(8, 8, 8, 8), skip_noised=False),
                loss=dict(prediction='x0'),
            ),
            data_preprocessor=dict(
                type='MultiBandPreprocessor', bands=('B04', 'B03', 'B02'), stats='pictures'
            ),
        )
    )
    torch.nn.init.normal_(made.diffusion.decoder.out_conv.weight, std=0.1)
    return made.train()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    views = [
        torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8, generator=generator) for _ in range(2)
    ]
    samples = [DataSample(metainfo=dict(scene_id=i)) for i in range(4)]
    return dict(inputs=views, data_samples=samples)


def runner(model, iteration=0, **config):
    said = []
    return SimpleNamespace(
        model=model,
        iter=iteration,
        cfg=Config(config),
        message_hub=MessageHub.get_instance('diffusion-hooks'),
        logger=SimpleNamespace(warning=said.append),
        said=said,
    )


def step(model, batch):
    """One step of the engine's; returns what it logged."""
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    data = model.data_preprocessor(batch, training=True)
    torch.manual_seed(5)
    loss, logged = model.parse_losses(model.loss(**data))
    loss.backward()
    optimiser.step()
    return logged


def test_reliance_is_logged_and_leaves_no_trace(model, batch):
    hook, run = FeatureRelianceHook(interval=2, images=3), runner(model, iteration=1)
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(3)
    hook.after_train_iter(run, 0, batch, {})
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    assert model.training and model.backbone.layer1[0].bn1.training
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True)
    )

    scalar = run.message_hub.get_scalar
    model.eval()
    x_0 = model.data_preprocessor(batch)['inputs'][0][:3]
    expected = model.diffusion.measure_reliance(model.backbone, x_0)
    assert expected['all'] != 0
    for name, value in expected.items():
        key = 'train/feature_reliance' + ('' if name == 'all' else f'_{name}')
        assert scalar(key).current() == pytest.approx(value, abs=1e-4)


def test_a_decoder_that_ignores_features_is_told_of_at_the_third_time(model, batch):
    hook, run = FeatureRelianceHook(interval=1, patience=3), runner(model)
    model.diffusion.decoder.forward = lambda feats, x_t, t: x_t
    for _ in range(2):
        hook.after_train_iter(run, 0, batch, {})
    assert not run.said
    hook.after_train_iter(run, 0, batch, {})
    assert len(run.said) == 1 and 'feature_reliance is 0.00' in run.said[0]
    # what the message advises are options of the model
    for option in ("prediction='x0'", 'decoder.skip_noised=False'):
        assert option in run.said[0]


def test_models_without_the_branch_are_left_alone(batch):
    bare = runner(torch.nn.Linear(1, 1))
    FeatureRelianceHook(interval=1).after_train_iter(bare, 0, batch, {})
    GradientShareHook(interval=1).before_train_iter(bare, 0, batch)
    assert not hasattr(bare.model, 'watch_gradients')


def test_shares_are_logged_when_due_and_the_step_is_the_same(model, batch):
    other = copy.deepcopy(model)
    hook = GradientShareHook(interval=3)
    hook.before_train_iter(runner(model, iteration=1), 0)
    assert not model.watch_gradients
    hook.before_train_iter(runner(model, iteration=2), 0)
    watched, plain = step(model, batch), step(other, batch)
    assert set(watched) - set(plain) == {
        'gradient_share',
        *(f'gradient_share_{stage}' for stage in ('conv1', 'bn1')),
        *(f'gradient_share_layer{i}' for i in (1, 2, 3, 4)),
    }
    assert float(watched['gradient_share']) > 0
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_nothing_is_measured_in_a_compiled_step(model):
    GradientShareHook(interval=1).before_train_iter(runner(model, compile=True), 0)
    assert not model.watch_gradients


def test_bad_options():
    with pytest.raises(ConfigError, match='images=1'):
        FeatureRelianceHook(images=1)
    with pytest.raises(ConfigError, match='at least 1, got 0'):
        GradientShareHook(interval=0)

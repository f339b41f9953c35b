"""Weights under other libraries' names: a fresh network there gives the same features."""

import pytest
import torch
import torchvision
from fixtures.exports import build, find_torchgeo_task

from swimdiff.errors import CheckpointError
from swimdiff.weights.converters import convert_backbone

timm = pytest.importorskip('timm')

LEVELS = dict(out_indices=(0, 1, 2, 3))
RESNET = dict(type='mmpretrain.ResNet', depth=18, in_channels=5, **LEVELS)
CONVNEXT = dict(type='mmpretrain.ConvNeXt', arch='atto', gap_before_final_norm=False, **LEVELS)
VIT = dict(type='mmpretrain.VisionTransformer', arch='deit-tiny', img_size=64, patch_size=8)
SWIN = dict(type='mmpretrain.SwinTransformer', arch='tiny', pad_small_map=True, **LEVELS)


def images_of(channels: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(5))


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * ours.abs().max()


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        (RESNET, 'resnet18'),
        (dict(type='mmpretrain.ResNetV1d', depth=18, **LEVELS), 'resnet18d'),
        (dict(type='mmpretrain.RegNet', arch='regnetx_400mf', **LEVELS), 'regnetx_004'),
        (dict(type='mmpretrain.EfficientNet', arch='b0'), 'tf_efficientnet_b0'),
        (CONVNEXT, 'convnext_atto'),
    ],
)
@torch.no_grad()
def test_timm_gives_the_same_features(config, name):
    ours = build(config)
    converted = convert_backbone(config, ours.state_dict(), 'timm')
    assert converted.model == name
    channels = config.get('in_channels', 3)
    theirs = timm.create_model(name, in_chans=channels, num_classes=0, **converted.options).eval()
    theirs.load_state_dict(converted.state)  # strict: nothing is missing
    # Another size than the one that the conversion compared.
    images = images_of(channels, 96, 128)
    assert_close(ours(images)[-1], theirs.forward_features(images))


@pytest.mark.parametrize(
    'config',
    [
        dict(type='mmpretrain.MobileNetV3', arch='small'),
        dict(type='mmpretrain.HRNet', arch='w18'),
        dict(type='mmpretrain.TIMMBackbone', model_name='convnext_atto', features_only=True),
    ],
)
@torch.no_grad()
def test_pyramids_of_timm_give_the_same_features(config):
    ours = build(config)
    converted = convert_backbone(config, ours.state_dict(), 'timm')
    assert converted.features_only
    theirs = timm.create_model(converted.model, features_only=True, **converted.options).eval()
    theirs.load_state_dict(converted.state)
    images = images_of(3, 96, 128)
    assert_close(ours(images)[-1], theirs(images)[-1])


@torch.no_grad()
def test_vision_transformer_token_by_token():
    config = dict(VIT, out_type='avg_featmap')
    ours = build(dict(VIT, out_type='featmap'))
    converted = convert_backbone(config, ours.state_dict(), 'timm')
    assert (converted.model, dict(converted.options)) == (
        'vit_tiny_patch16_224',
        dict(patch_size=8, img_size=64),
    )
    theirs = timm.create_model(converted.model, num_classes=0, **converted.options).eval()
    theirs.load_state_dict(converted.state)
    images = images_of(3, 64, 64)
    tokens = theirs.forward_features(images)[:, 1:]
    assert_close(ours(images)[-1], tokens.transpose(1, 2).reshape(2, 192, 8, 8))
    # A masked autoencoder's encoder is the same network with a fixed table of positions.
    masked = dict(config, type='mmpretrain.MAEViT', mask_ratio=0.75)
    again = convert_backbone(masked, ours.state_dict(), 'timm')
    assert all(torch.equal(again.state[key], value) for key, value in converted.state.items())


@torch.no_grad()
def test_swin_with_the_order_of_its_tables_changed():
    ours = build(SWIN)
    converted = convert_backbone(SWIN, ours.state_dict(), 'timm')
    assert {'norm0.weight', 'norm2.bias'} <= set(converted.left_out)
    assert '448' in converted.note
    theirs = timm.create_model(converted.model, num_classes=0, img_size=448).eval()
    theirs.load_state_dict(converted.state)
    # Where the last map has several windows, also with the padding of our configs.
    images = images_of(3, 448, 448)[:1]
    assert_close(ours(images)[-1], theirs.forward_features(images).permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        (dict(RESNET, in_channels=3), 'resnet18'),
        (dict(type='mmpretrain.MobileNetV3', arch='small'), 'mobilenet_v3_small'),
    ],
)
@torch.no_grad()
def test_torchvision_gives_the_same_features(config, name):
    ours = build(config)
    converted = convert_backbone(config, ours.state_dict(), 'torchvision')
    theirs = torchvision.models.get_model(name, weights=None).eval()
    left = theirs.load_state_dict(converted.state, strict=False)
    assert not left.unexpected_keys
    assert all(key.startswith(('fc.', 'classifier.')) for key in left.missing_keys)
    body = theirs.features if hasattr(theirs, 'features') else None
    body = body or torch.nn.Sequential(*list(theirs.children())[:-2])
    images = images_of(3, 96, 128)
    assert_close(ours(images)[-1], body(images))


@pytest.mark.parametrize('config', [RESNET, dict(CONVNEXT, in_channels=5)])
@torch.no_grad()
def test_segmentation_models_gives_the_same_features(config):
    smp = pytest.importorskip('segmentation_models_pytorch')
    ours = build(config)
    converted = convert_backbone(config, ours.state_dict(), 'smp')
    model = smp.Unet(converted.model, encoder_weights=None, in_channels=5, **converted.options)
    model.encoder.load_state_dict(converted.state)
    model.eval()
    images = images_of(5, 96, 128)
    # Ours is normalised behind its last stage; the pyramid there is not.
    level = 3 if config is RESNET else 2
    ours.norm2 = torch.nn.Identity()
    assert_close(ours(images)[level], model.encoder(images)[-1 if config is RESNET else -2])


@torch.no_grad()
def test_torchgeo_task_begins_with_the_weights(tmp_path):
    build_task = find_torchgeo_task()
    ours = build(RESNET)
    converted = convert_backbone(RESNET, ours.state_dict(), 'torchgeo')
    file = tmp_path / 'r18.ckpt'
    torch.save(dict(state_dict=converted.state, hyper_parameters=dict(model='resnet18')), file)
    task = build_task(
        model='resnet18', weights=str(file), in_channels=5, task='multiclass', num_classes=4
    ).eval()
    images = images_of(5, 96, 128)
    assert_close(ours(images)[-1], task.model.forward_features(images))


@pytest.mark.parametrize(
    ('change', 'library', 'reason'),
    [
        (dict(type='mmpretrain.ShuffleNetV2'), 'timm', 'known are ResNet, .*TIMMBackbone'),
        (dict(CONVNEXT, gap_before_final_norm=True), 'timm', 'gap_before_final_norm=False'),
        (dict(type='mmpretrain.EfficientNet', arch='b0'), 'torchvision', 'known are resnet18'),
        (
            dict(type='mmpretrain.MobileNetV3', arch='small'),
            'torchgeo',
            "torchgeo builds mobilenetv3_small_100 without options, .*'bn_eps'",
        ),
        (dict(type='mmpretrain.HRNet', arch='w18'), 'smp', 'no such network'),
    ],
)
def test_what_a_library_does_not_have_is_refused_with_the_reason(change, library, reason):
    state = {} if library != 'timm' else build(change).state_dict()
    with pytest.raises(CheckpointError, match=f'cannot be converted for {library}: .*{reason}'):
        convert_backbone(change, state, library)


def test_same_layers_with_another_computation_are_refused():
    """Strides on another convolution: every tensor fits, and the features are others."""
    config = dict(type='mmpretrain.ResNet', depth=50, style='caffe')
    state = build(config).state_dict()
    with pytest.raises(
        CheckpointError, match=r'for timm: features differ by .* Nothing is written'
    ):
        convert_backbone(config, state, 'timm')


def test_weights_of_another_network_are_refused():
    state = build(RESNET).state_dict()
    with pytest.raises(
        CheckpointError, match=r'not those of mmpretrain\.ResNet \(34\): 80 tensors are missing'
    ):
        convert_backbone(dict(RESNET, depth=34), state, 'timm')

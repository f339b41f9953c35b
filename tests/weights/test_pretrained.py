import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import MODELS as ENGINE_MODELS
from mmengine.registry import DefaultScope

from swimdiff.errors import CheckpointError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.registry import MODELS
from swimdiff.weights.pretrained import adapt_kernels

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
PAIRS = {
    'r18': ('swimdiff_r18_seco', 'linear_r18_eurosat-rgb'),
    'r50': ('swimdiff_r50_seco', 'linear_r50_eurosat-rgb'),
    'swin-t': ('swimdiff_swin-t_seco', 'linear_swin-t_eurosat-rgb'),
    'convnext-t': ('swimdiff_convnext-t_seco', 'linear_convnext-t_eurosat-rgb'),
}


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('swimdiff'):
        yield


@functools.cache
def pretrained_state(name):
    """Config text and weights of a pre-training, key encoder and query encoder apart."""
    config = read_config_file(CONFIGS / f'{name}.py')
    config.model.queue.length = 8
    config.model.data_preprocessor = config.data_preprocessor
    model = MODELS.build(config.model)
    with torch.no_grad():
        for number, value in enumerate(model.backbone.state_dict().values()):
            if value.is_floating_point():
                value.copy_(torch.full_like(value, 0.001 * number) + 0.01 * torch.rand_like(value))
    return config.pretty_text, model.state_dict()


def pretrain(name, path):
    """A checkpoint as pre-training writes it; returns its tensors, free to be changed."""
    text, state = pretrained_state(name)
    state = {key: value.clone() for key, value in state.items()}
    torch.save(dict(meta=dict(cfg=text), state_dict=state), path)
    return state


def classifier(name, checkpoint, **init):
    config = read_config_file(CONFIGS / 'classification' / 'eurosat' / f'{name}.py')
    config.model.backbone.init_cfg.update(checkpoint=str(checkpoint), **init)
    return config


@pytest.mark.parametrize('backbone', list(PAIRS))
def test_query_encoder_reaches_the_downstream_config(tmp_path, backbone, caplog):
    source, target = PAIRS[backbone]
    state = pretrain(source, tmp_path / 'epoch_1.pth')
    config = classifier(target, tmp_path / 'epoch_1.pth')
    model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    model.init_weights()
    logger.removeHandler(caplog.handler)
    own = model.backbone.state_dict()
    assert own
    for name, value in own.items():
        assert torch.equal(value, state[f'backbone.{name}']), name
    key = state[f'momentum_encoder.backbone.{next(iter(own))}']
    assert not torch.equal(key, next(iter(own.values())))
    assert f'loaded {len(own)} of {len(own)} tensors from {tmp_path}/epoch_1.pth' in caplog.text
    assert 'bands B04 B03 B02' in caplog.text


CHANGE = {
    'change-unet_r18_frozen_oscd': 'swimdiff_r18_seco',
    'change-unet_r50_frozen_oscd': 'swimdiff_r50_seco',
    'change-unet_swin-t_frozen_oscd': 'swimdiff_swin-t_seco',
    'change-unet_convnext-t_frozen_oscd': 'swimdiff_convnext-t_seco',
    'change-unet_r50_frozen_oscd-12band': 'swimdiff_r50_seco-12band',
}


@pytest.mark.parametrize('name', list(CHANGE))
def test_query_encoder_reaches_the_change_config(tmp_path, name):
    state = pretrain(CHANGE[name], tmp_path / 'epoch_1.pth')
    config = read_config_file(CONFIGS / 'change_detection' / 'oscd' / f'{name}.py')
    config.model.backbone.backbone.init_cfg.checkpoint = str(tmp_path / 'epoch_1.pth')
    model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))
    model.init_weights()
    for key, value in model.backbone.backbone.state_dict().items():
        assert torch.equal(value, state[f'backbone.{key}']), key


def backbone(init_cfg, **options):
    options = {'depth': 18, 'out_indices': (0, 1, 2, 3), **options}
    return dict(type='mmpretrain.ResNet', init_cfg=init_cfg, **options)


@pytest.mark.parametrize('ours', [True, False])
def test_in_an_mmseg_config(tmp_path, ours):
    state = pretrain('swimdiff_r18_seco', tmp_path / 'x.pth')
    # `_scope_` asks for the strict loader where another scope is the default; without it the
    # engine's own is found, which reads the checkpoint just as well.
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'), prefix='backbone.')
    if ours:
        init['_scope_'] = 'swimdiff'
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = ENGINE_MODELS.build(backbone(init))
        model.init_weights()
    assert torch.equal(model.conv1.weight, state['backbone.conv1.weight'])
    assert torch.equal(model.layer4[1].bn2.weight, state['backbone.layer4.1.bn2.weight'])


def load(path, options=None, **init):
    init = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.', **init)
    model = MODELS.build(backbone(init, **(options or {})))
    model.init_weights()
    return model


def test_another_architecture(tmp_path):
    pretrain('swimdiff_r18_seco', tmp_path / 'x.pth')
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / 'x.pth', dict(depth=50))
    message = str(caught.value)
    assert 'x.pth does not fit ResNet: 97 of 318 tensors match' in message
    assert 'written by mmpretrain.ResNet depth=18' in message
    assert 'layer1.0.conv1.weight (file 64x64x3x3, model 64x64x1x1)' in message
    assert 'layer1.0.conv3.weight' in message


def test_a_deeper_network_is_not_taken_for_a_shallower(tmp_path):
    """Every tensor of ResNet-18 is in ResNet-34 with the same shape."""
    deep = MODELS.build(backbone(None, depth=34))
    torch.save({f'backbone.{n}': v for n, v in deep.state_dict().items()}, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'not in the model 96: layer1.2.conv1.weight'):
        load(tmp_path / 'x.pth')


def test_one_missing_tensor_is_an_error(tmp_path):
    state = pretrain('swimdiff_r18_seco', tmp_path / 'x.pth')
    del state['backbone.layer3.0.conv1.weight']
    torch.save(dict(state_dict=state), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'Missing in the file 1: layer3.0.conv1.weight\.'):
        load(tmp_path / 'x.pth')


def test_weights_that_are_not_numbers(tmp_path):
    state = pretrain('swimdiff_r18_seco', tmp_path / 'x.pth')
    state['backbone.layer1.0.bn1.bias'][3] = float('nan')
    torch.save(dict(state_dict=state), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'NaN or infinite.*1 tensors: layer1.0.bn1.bias'):
        load(tmp_path / 'x.pth')


def test_bare_names_with_a_classifier_on_top(tmp_path):
    """torchvision's ResNets have the names of mmpretrain's, and a classifier."""
    torchvision = pytest.importorskip('torchvision')
    weights = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(weights, tmp_path / 'resnet18.pth')
    model = load(tmp_path / 'resnet18.pth')
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_number_of_bands(tmp_path):
    pretrain('swimdiff_r18_seco', tmp_path / 'x.pth')
    with pytest.raises(
        CheckpointError, match=r'takes 3 bands \(B04 B03 B02\), the model 4 .*adapt'
    ):
        load(tmp_path / 'x.pth', dict(in_channels=4))


def test_order_of_bands(tmp_path):
    pretrain('swimdiff_r18_seco', tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'\(B04 B03 B02\), the model 3 \(B02 B03 B04\)'):
        load(tmp_path / 'x.pth', bands=('B2', 'B3', 'B4'))


@pytest.mark.parametrize(
    'bands', [('B02', 'B03', 'B04'), ('B08', 'B02', 'B8A', 'B04', 'B03'), ('B03',)]
)
def test_adapted_first_convolution(tmp_path, bands):
    state = pretrain('swimdiff_r18_seco', tmp_path / 'x.pth')
    model = load(tmp_path / 'x.pth', dict(in_channels=len(bands)), bands=bands, adapt_bands=True)
    old = state['backbone.conv1.weight'].numpy()
    column = dict(B04=old[:, 0], B03=old[:, 1], B02=old[:, 2])
    mean = (old[:, 0] + old[:, 1] + old[:, 2]) / 3
    expected = np.stack([column.get(band, mean) for band in bands], axis=1)
    np.testing.assert_allclose(model.conv1.weight.detach().numpy(), expected, atol=1e-6)
    assert torch.equal(model.layer1[0].conv1.weight, state['backbone.layer1.0.conv1.weight'])


def test_adapting_needs_names(tmp_path):
    net = MODELS.build(backbone(None))
    torch.save(net.state_dict(), tmp_path / 'x.pth')
    options = dict(in_channels=4)
    with pytest.raises(CheckpointError, match='Add checkpoint_bands='):
        load(tmp_path / 'x.pth', options, bands=('B2', 'B3', 'B4', 'B8'), adapt_bands=True)
    model = load(
        tmp_path / 'x.pth',
        options,
        bands=('B2', 'B3', 'B4', 'B8'),
        checkpoint_bands=('B4', 'B3', 'B2'),
        adapt_bands=True,
    )
    assert torch.equal(model.conv1.weight[:, 2], net.conv1.weight[:, 0])


@pytest.mark.parametrize('name', ['swin-t', 'convnext-t'])
def test_fewer_levels_leave_output_norms_over(tmp_path, name):
    source, target = PAIRS[name]
    state = pretrain(source, tmp_path / 'x.pth')
    config = classifier(target, tmp_path / 'x.pth').model.backbone
    config.out_indices = (3,)
    model = MODELS.build(config)
    model.init_weights()
    assert torch.equal(model.norm3.weight, state['backbone.norm3.weight'])


def test_kernels_of_no_shared_band():
    kernels = torch.randn(4, 2, 3, 3)
    adapted = adapt_kernels(kernels, ('B04', 'B03'), ('B11', 'B12'))
    assert torch.allclose(adapted[:, 0], kernels.mean(1))
    assert torch.equal(adapted[:, 0], adapted[:, 1])

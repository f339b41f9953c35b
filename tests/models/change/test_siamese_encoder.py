import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

RESNET = dict(
    type='mmpretrain.ResNet', depth=18, out_indices=(0, 1, 2, 3), norm_cfg=dict(type='BN')
)
CHANNELS = (64, 64, 128, 256, 512)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')
    torch.manual_seed(0)


def encoder(**options):
    return MODELS.build({'type': 'SiameseEncoder', 'backbone': RESNET, **options})


def segmentor(frozen=True):
    return MODELS.build(
        dict(
            type='mmseg.EncoderDecoder',
            data_preprocessor=dict(type='ChangePreprocessor', bands=('B04', 'B03', 'B02')),
            backbone=dict(type='SiameseEncoder', backbone=RESNET, frozen=frozen),
            decode_head=dict(
                type='ChangeUNetHead',
                in_channels=CHANNELS,
                num_classes=2,
                out_channels=1,
                threshold=0.5,
                loss_decode=dict(
                    type='mmseg.CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True
                ),
            ),
            train_cfg={},
            test_cfg=ConfigDict(mode='whole'),
        )
    )


def batch(size=64):
    samples = []
    for _ in range(2):
        mask = torch.randint(0, 2, (1, size, size))
        meta = dict(img_shape=(size, size), ori_shape=(size, size))
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=mask), metainfo=meta))
    inputs = [torch.randint(0, 256, (6, size, size), dtype=torch.uint8) for _ in range(2)]
    return dict(inputs=inputs, data_samples=samples)


def resnet_levels(net, x):
    """The five levels, module by module."""
    stem = net.conv1(x)
    levels, x = [stem], net.maxpool(torch.relu(net.bn1(stem)))
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        levels.append(x)
    return levels


@pytest.mark.parametrize('mode', ['abs', 'signed', 'concat'])
def test_five_levels_against_the_backbone_run_by_hand(mode):
    model = encoder(difference=dict(type='FeatureDifference', mode=mode)).eval()
    pair = torch.randn(2, 6, 64, 96)
    first, second = (resnet_levels(model.backbone, pair[:, i : i + 3]) for i in (0, 3))
    found = model(pair)
    assert [tuple(f.shape[2:]) for f in found] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    for level, a, b in zip(found, first, second, strict=True):
        expected = {'abs': (a - b).abs(), 'signed': b - a, 'concat': torch.cat([a, b], 1)}[mode]
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-4)


def test_levels_and_stem_are_chosen():
    pair = torch.randn(1, 6, 64, 64)
    assert [f.shape[1] for f in encoder().eval()(pair)] == list(CHANNELS)
    assert [f.shape[1] for f in encoder(levels=(0, 3)).eval()(pair)] == [64, 256]
    assert [f.shape[1] for f in encoder(stem=None).eval()(pair)] == [64, 128, 256, 512]
    deep = dict(RESNET, deep_stem=True)
    assert [f.shape[1] for f in encoder(backbone=deep).eval()(pair)] == list(CHANNELS)
    with pytest.raises(ConfigError, match='there are 5'):
        encoder(levels=(0, 5))(pair)
    with pytest.raises(ConfigError, match=r'no such submodule.*conv1'):
        encoder(stem='conv9')
    with pytest.raises(ConfigError, match='two dates'):
        encoder()(pair[:, :5])


SMALL_SWIN = dict(embed_dims=24, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8])


@pytest.mark.parametrize(
    ('backbone', 'channels'),
    [
        (dict(type='mmpretrain.SwinTransformer', arch=SMALL_SWIN, pad_small_map=True), 24),
        (dict(type='mmpretrain.ConvNeXt', arch='atto', gap_before_final_norm=False), 40),
    ],
    ids=['swin', 'convnext'],
)
def test_other_backbones_give_their_stages(backbone, channels):
    backbone = dict(backbone, out_indices=(0, 1, 2, 3))
    found = encoder(backbone=backbone, frozen=True).train()(torch.randn(1, 6, 96, 96))
    assert [f.shape[1] for f in found] == [channels * 2**level for level in range(4)]
    assert [f.shape[2] for f in found] == [24, 12, 6, 3]
    assert not any(f.requires_grad for f in found)


def train(model, steps=3):
    """Steps of an optimizer that would also decay and move whatever it is allowed to."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    model.train()
    for _ in range(steps):
        data = model.data_preprocessor(batch(), training=True)
        loss = model(**data, mode='loss')['decode.loss_ce']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_not_one_tensor_of_a_frozen_encoder_changes():
    model = segmentor(frozen=True)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    head = {name: value.clone() for name, value in model.decode_head.state_dict().items()}
    train(model)
    after = model.backbone.state_dict()
    assert len(before) == 20 + 20 * 5  # convolutions; weight, bias and three statistics of a norm
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not all(torch.equal(head[n], v) for n, v in model.decode_head.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in model.backbone.parameters())


def test_frozen_means_no_graph_and_evaluation_mode():
    model = segmentor(frozen=True)
    for mode in (True, False, True):
        model.train(mode)
        assert not any(module.training for module in model.backbone.backbone.modules())
    features = model.backbone(torch.randn(1, 6, 64, 64, requires_grad=True))
    assert all(level.grad_fn is None for level in features)


def test_fine_tuning_moves_weights_and_statistics():
    model = segmentor(frozen=False)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    train(model, steps=1)
    after = model.backbone.state_dict()
    for name in ('conv1.weight', 'layer4.1.conv2.weight', 'bn1.running_mean'):
        assert not torch.equal(before[f'backbone.{name}'], after[f'backbone.{name}'])


def test_sliding_window_sees_both_dates():
    model = segmentor().eval()
    data = model.data_preprocessor(batch(96))
    whole = [s.seg_logits.data for s in model(**data, mode='predict')]
    model.test_cfg.update(mode='slide', crop_size=(96, 96), stride=(96, 96))
    one_window = [s.seg_logits.data for s in model(**data, mode='predict')]
    torch.testing.assert_close(one_window, whole)
    model.test_cfg.update(crop_size=(64, 64), stride=(32, 32))
    assert [s.pred_sem_seg.shape for s in model(**data, mode='predict')] == [(96, 96)] * 2


def test_no_grad_outside_stays_no_grad():
    model = encoder(frozen=False)
    with torch.no_grad():
        assert not any(level.requires_grad for level in model(torch.randn(1, 6, 64, 64)))


def test_unknown_difference():
    with pytest.raises(ConfigError, match="'minus'"):
        encoder(difference=dict(type='FeatureDifference', mode='minus'))

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')
    torch.manual_seed(0)


def head(channels=(4, 6, 8), **options):
    loss = dict(type='mmseg.CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True)
    config = dict(type='ChangeUNetHead', in_channels=channels, num_classes=2, out_channels=1)
    return MODELS.build({**config, 'threshold': 0.5, 'loss_decode': loss, **options})


def pyramid(size=32, channels=(4, 6, 8)):
    return [torch.randn(2, c, size >> i, size >> i) for i, c in enumerate(channels)]


def test_forward_against_the_protocol_written_out():
    model = head().eval()
    x0, x1, x2 = pyramid()
    weights = dict(model.state_dict())

    def up(x, skip, i):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = F.conv2d(
            x, weights[f'blocks.{i}.shrink.weight'], weights[f'blocks.{i}.shrink.bias'], padding=1
        )
        x = F.conv2d(torch.cat([x, skip], 1), weights[f'blocks.{i}.merge.weight'], padding=1)
        norm = model.blocks[i].norm
        x = (x - norm.running_mean.view(-1, 1, 1)) / (
            norm.running_var.view(-1, 1, 1) + norm.eps
        ).sqrt()
        return (x * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)).relu()

    x = up(up(x2, x1, 1), x0, 0)
    expected = F.conv2d(x, weights['conv_seg.weight'], weights['conv_seg.bias'])
    torch.testing.assert_close(model([x0, x1, x2]), expected)


def test_parts_are_those_of_the_protocol():
    model = head((64, 64, 128, 256, 512))
    count = sum(p.numel() for p in model.parameters())
    pairs = [(512, 256), (256, 128), (128, 64), (64, 64)]
    conv = sum(9 * a * b + b + 9 * 2 * b * b + 2 * b for a, b in pairs)
    assert count == conv + 65
    assert isinstance(model.dropout, torch.nn.Dropout2d)
    assert model.dropout.p == 0.3


def test_dropout_acts_on_every_block(monkeypatch):
    model = head().train()
    seen = []
    model.dropout.register_forward_hook(lambda m, i, o: seen.append(i[0].shape[1]))
    model(pyramid())
    assert seen == [6, 4]


def test_odd_sizes_and_equal_strides():
    levels = [
        torch.randn(1, c, *s)
        for c, s in zip((4, 6, 8), ((49, 33), (25, 17), (25, 17)), strict=True)
    ]
    assert head().eval()(levels).shape == (1, 1, 49, 33)


def test_loss_is_bce_on_nearest_logits_without_the_ignored():
    model = head().eval()
    features = pyramid()
    masks = torch.randint(0, 2, (2, 64, 64))
    masks[:, :, 50:] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=m[None])) for m in masks]
    logits = model(features).repeat_interleave(2, 2).repeat_interleave(2, 3)[:, 0]
    known = masks != 255
    expected = F.binary_cross_entropy_with_logits(logits[known], masks[known].float())
    torch.testing.assert_close(model.loss(features, samples, {})['loss_ce'], expected)


@pytest.mark.parametrize('shape', [(64, 64), (63, 65), torch.Size((64, 64))])
def test_prediction_has_the_size_of_the_image(shape):
    model = head().eval()
    features = pyramid()
    found = model.predict(features, [dict(img_shape=shape, ori_shape=shape)] * 2, {})
    assert found.shape[2:] == tuple(shape)
    if tuple(shape) == (64, 64):
        torch.testing.assert_close(found[..., ::2, ::2], model(features))


def test_wrong_channels_say_what_to_set():
    with pytest.raises(ConfigError, match=r'in_channels=\(4, 6, 9\)'):
        head()([*pyramid()[:2], torch.randn(2, 9, 8, 8)])
    with pytest.raises(ConfigError, match='at least two'):
        head((4,))

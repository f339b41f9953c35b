import inspect
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from fixtures.yardsticks import Decoder, adapter, write_checkpoint

import swimdiff
from swimdiff.bands import get_stats
from swimdiff.errors import BandError, CheckpointError, ConfigError

YAML = Path(swimdiff.__file__).parent / 'interop/conf/pangaea/encoder/swimdiff.yaml'
BANDS = ['B2', 'B3', 'B4', 'B8A']
MEAN, STD = [0.05, 0.04, 0.03, 0.12], [0.03, 0.04, 0.02, 0.05]


@pytest.fixture(scope='module')
def module():
    with adapter('pangaea') as found:
        yield found


@pytest.fixture(scope='module')
def opened(tmp_path_factory):
    path = tmp_path_factory.mktemp('pangaea') / 'r18.pth'
    return str(path), write_checkpoint(path)


def build(module, path, **options):
    given = dict(
        encoder_weights=path,
        input_bands=dict(optical=BANDS, sar=['VV', 'VH']),
        input_size=64,
        input_unit='reflectance',
        data_mean=MEAN,
        data_std=STD,
    )
    encoder = module.SwiMDiffEncoder(**{**given, **options})
    encoder.load_encoder_weights(logging.getLogger('test'))
    return encoder


def draw(dates):
    """Pixels 0..255 of red, green and blue, and reflectance of the four bands that gives them."""
    stats, generator = get_stats('oscd'), torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 3, dates, 64, 64), generator=generator).double()
    images = torch.rand(2, 4, dates, 64, 64, generator=generator).double()
    for row, band in enumerate(('B04', 'B03', 'B02')):
        low, high = stats.low[band], stats.high[band]
        # The middle of a step, so that rounding cannot move a pixel.
        images[:, 2 - row] = (low + (pixels[:, row] + 0.5) / 255 * (high - low)) / 10_000
    return pixels, images


def standardise(images):
    """As PANGAEA's preprocessing leaves the images."""
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (MEAN, STD))
    return ((images - mean.view(4, 1, 1, 1)) / std.view(4, 1, 1, 1)).float()


def by_hand(net, planes):
    with torch.no_grad():
        return net(torch.from_numpy(np.stack(planes, axis=1).astype(np.float32)))


def check(maps, expected):
    assert len(maps) == len(expected) == 4
    for level, other in zip(maps, expected, strict=True):
        torch.testing.assert_close(level, other, atol=1e-4, rtol=1e-4)


def test_maps_are_those_of_the_backbone_called_by_hand_at_each_date(module, opened):
    path, net = opened
    pixels, images = draw(dates=3)
    encoder = build(module, path)
    decoder = Decoder(encoder, finetune=False).train()
    stats = get_stats('oscd')
    dates = decoder({'optical': standardise(images), 'sar': torch.zeros(2, 2, 3, 64, 64)})
    assert len(dates) == 3
    for date, maps in enumerate(dates):
        planes = [
            (pixels[:, row, date].numpy() - stats.mean[band]) / stats.std[band]
            for row, band in enumerate(('B04', 'B03', 'B02'))
        ]
        check(maps, by_hand(net, planes))
        assert [level.shape[1] for level in maps] == encoder.output_dim
        assert [level.shape[2] for level in maps] == [16, 8, 4, 2]
    assert encoder.pyramid_output and encoder.output_layers == [0, 1, 2, 3]


def test_images_as_stored(module, opened):
    path, net = opened
    pixels, images = draw(dates=1)
    encoder = build(module, path, data_mean=None, data_std=None).eval()
    stats = get_stats('oscd')
    planes = [
        (pixels[:, row, 0].numpy() - stats.mean[band]) / stats.std[band]
        for row, band in enumerate(('B04', 'B03', 'B02'))
    ]
    check(encoder({'optical': images.float()}), by_hand(net, planes))


def test_statistics_of_the_benchmark_where_asked_for(module, opened):
    path, net = opened
    _, images = draw(dates=1)
    options = dict(normalization='benchmark', input_unit=None, data_mean=None, data_std=None)
    encoder = build(module, path, **options).eval()
    ready = standardise(images)
    planes = [ready[:, channel, 0].numpy() for channel in (2, 1, 0)]
    expected = by_hand(net, planes)
    check(encoder({'optical': ready}), expected)
    check(encoder({'optical': ready.squeeze(2)}), expected)


def test_several_dates_at_once_are_refused(module, opened):
    encoder = build(module, opened[0])
    with pytest.raises(ConfigError, match=r'got 3 dates at once \(2, 4, 3, 64, 64\).*_mt_ltae'):
        encoder({'optical': torch.zeros(2, 4, 3, 64, 64)})


def test_a_band_that_the_data_set_lacks_is_not_filled_with_zeros(module, opened):
    bands = dict(optical=['B2', 'B3', 'B8A', 'thermal'])
    with pytest.raises(BandError, match=r'set \(B2, B3, B8A, thermal\) lack B04. Found B02, B03'):
        build(module, opened[0], input_bands=bands)


def test_the_unit_is_needed_and_compared_with_the_mean(module, opened):
    with pytest.raises(ConfigError, match=r'encoder.input_unit: the unit of the pixels is None'):
        build(module, opened[0], input_unit=None)
    with pytest.raises(ConfigError, match=r"encoder.input_unit: .* would fit: 'reflectance'\."):
        build(module, opened[0], input_unit='reflectance x 10000')


@pytest.mark.parametrize(
    'options', [dict(data_std=[0.0] * 4), dict(data_mean=MEAN[:3]), dict(data_mean=None)]
)
def test_statistics_that_cannot_be_undone(module, opened, options):
    with pytest.raises(ConfigError, match=r'one of each for the 4 bands of encoder.input_bands'):
        build(module, opened[0], **options)


def test_unknown_normalization(module, opened):
    with pytest.raises(ConfigError, match=r'encoder.normalization=imagenet. Expected checkpoint'):
        build(module, opened[0], normalization='imagenet')


@pytest.mark.parametrize('finetune', [False, True])
def test_batch_norm_moves_only_where_the_encoder_is_tuned(module, opened, finetune):
    encoder = build(module, opened[0])
    before = encoder.backbone.bn1.running_mean.clone()
    decoder = Decoder(encoder, finetune).train()
    (maps,) = decoder({'optical': standardise(draw(dates=1)[1])})
    assert torch.equal(before, encoder.backbone.bn1.running_mean) != finetune
    assert maps[-1].requires_grad == finetune


def test_a_file_of_another_backbone(module, opened, tmp_path):
    content = torch.load(opened[0])
    content['state_dict']['backbone.conv1.weight'] = torch.zeros(8, 3, 3, 3)
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'Of another shape 1: conv1.weight'):
        build(module, str(tmp_path / 'x.pth'))


def test_the_yaml_fits_the_class(module, opened):
    options = yaml.safe_load(YAML.read_text())
    assert options.pop('_target_') == 'swimdiff.interop.pangaea.SwiMDiffEncoder'
    assert options.pop('_convert_') == 'all'
    assert set(options) <= set(inspect.signature(module.SwiMDiffEncoder).parameters)
    assert options['input_bands'] == dict(optical='${dataset.bands.optical}')
    resolved = dict(
        encoder_weights=opened[0],
        input_bands=dict(optical=BANDS),
        input_unit='reflectance',
        data_mean=MEAN,
        data_std=STD,
    )
    assert module.SwiMDiffEncoder(**{**options, **resolved}).input_size == 224

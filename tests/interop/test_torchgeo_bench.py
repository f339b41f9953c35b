import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from fixtures.yardsticks import adapter, write_checkpoint

import swimdiff
from swimdiff.bands import get_stats
from swimdiff.errors import BandError, CheckpointError, ConfigError

YAML = Path(swimdiff.__file__).parent / 'interop/conf/torchgeo_bench/model/swimdiff.yaml'
#: Sensor, name, mean, std, max: late names as m-eurosat has them, shifted against the channels.
SHIFTED = (
    ('s2', 'red_edge_4', 751.2, 404.6, 3761),
    ('s2', 'water_vapour', 12.3, 4.8, 90),
    ('s2', 'swir_cirrus', 1848.9, 978.8, 24704),
    ('s2', 'swir_1', 1131.3, 745.3, 22210),
    ('s2', 'swir_2', 2665.4, 1223.9, 25752),
)
#: A data set of two sensors: the aerial one has colours by name, too.
MIXED = (
    ('aerial', 'red', 150.0, 50.0, 255),
    ('s2', 'b02', 1118.0, 333.0, 28000),
    ('s1', 'vv', -12.0, 3.0, 33),
    ('s2', 'b04', 947.0, 594.0, 28000),
    ('s2', 'b03', 1043.0, 395.0, 28000),
)


@pytest.fixture(scope='module')
def module():
    with adapter('torchgeo_bench') as found:
        yield found


@pytest.fixture(scope='module')
def opened(tmp_path_factory):
    path = tmp_path_factory.mktemp('torchgeo_bench') / 'r18.pth'
    return str(path), write_checkpoint(path)


def specs(module, rows, scale=1.0):
    return [
        module.BandSpec(sensor, name, name, mean * scale, std * scale, 0, top * scale)
        for sensor, name, mean, std, top in rows
    ]


def draw(rows, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, len(rows), 64, 64, generator=generator)
    mean, std = (torch.tensor([row[i] for row in rows]).view(1, -1, 1, 1) for i in (2, 3))
    return (mean + std * noise).round() * scale


def by_hand(net, planes):
    """Features of standardised planes, one for each band of the checkpoint, in its order."""
    images = torch.from_numpy(np.stack(planes, axis=1).astype(np.float32))
    with torch.no_grad():
        return net(images)[-1].mean(dim=(2, 3))


def test_features_are_those_of_the_backbone_called_by_hand(module, opened):
    path, net = opened
    images = draw(MIXED)
    model = module.SwiMDiffBench(specs(module, MIXED), checkpoint=path)
    stats = get_stats('oscd')
    planes = []
    for band, channel in (('B04', 3), ('B03', 4), ('B02', 1)):
        low, high = stats.low[band], stats.high[band]
        value = images[:, channel].double().numpy()
        pixel = np.floor(np.clip((value - low) / (high - low), 0, 1) * 255)
        planes.append((pixel - stats.mean[band]) / stats.std[band])
    features = model(images)
    assert features.shape == (2, 64)
    torch.testing.assert_close(features, by_hand(net, planes), atol=1e-5, rtol=1e-4)


def test_statistics_of_the_benchmark_where_it_asks_for_them(module, opened):
    path, net = opened
    images = draw(MIXED)
    model = module.SwiMDiffBench(
        specs(module, MIXED), checkpoint=path, normalization='bandspec_zscore'
    )
    planes = [
        (images[:, channel].numpy() - MIXED[channel][2]) / MIXED[channel][3]
        for channel in (3, 4, 1)
    ]
    torch.testing.assert_close(model(images), by_hand(net, planes), atol=1e-5, rtol=1e-4)


def test_reflectance_is_recognised_and_pixels_of_8_bits_are_not(module, opened):
    path, _ = opened
    rows = [row for row in MIXED if row[0] == 's2']
    whole = module.SwiMDiffBench(specs(module, rows), checkpoint=path)(draw(rows))
    scale = 1 / 10_000
    parts = module.SwiMDiffBench(specs(module, rows, scale), checkpoint=path)(draw(rows, scale))
    torch.testing.assert_close(whole, parts, atol=0.02, rtol=0.02)
    narrow = specs(module, rows, 255 / 28_000)
    with pytest.raises(ConfigError, match=r'model.input_unit .* bands up to 255\): the unit of'):
        module.SwiMDiffBench(narrow, checkpoint=path)
    module.SwiMDiffBench(narrow, checkpoint=path, input_unit='0..255')
    with pytest.raises(ConfigError, match="These would fit: 'reflectance x 10000'"):
        module.SwiMDiffBench(specs(module, rows), checkpoint=path, input_unit='reflectance')


def test_another_sensor_is_taken_only_when_named(module, opened):
    path, _ = opened
    aerial = [('aerial', name, 150.0, 50.0, 255) for name in ('red', 'green', 'blue')]
    bands = specs(module, aerial)
    with pytest.raises(BandError, match=r"sensor 's2' of red, green, blue\) lack B04, B03, B02"):
        module.SwiMDiffBench(bands, checkpoint=path)
    with pytest.raises(ConfigError, match=r"sensor 'aerial'.* the unit of the pixels is None"):
        module.SwiMDiffBench(bands, checkpoint=path, sensor='aerial')
    module.SwiMDiffBench(bands, checkpoint=path, sensor='aerial', input_unit='0..255')


def test_missing_band(module, opened):
    with pytest.raises(BandError, match=r'takes B04, B03, B02; .* lack B03. Found B02, B04'):
        module.SwiMDiffBench(specs(module, MIXED[:4]), checkpoint=opened[0])


@pytest.mark.parametrize('normalization', ['minmax', 'minmax_zscore', 'identity'])
def test_images_that_are_not_standardised_are_refused(module, opened, normalization):
    with pytest.raises(
        ConfigError, match=f'dataset.normalization={normalization}: .* Expected mod'
    ):
        module.SwiMDiffBench(
            specs(module, MIXED), checkpoint=opened[0], normalization=normalization
        )


def test_shifted_names_are_refused_and_can_be_corrected(module, opened, tmp_path):
    write_checkpoint(tmp_path / 'swir.pth', 'B11,B12,B8A')
    bands = specs(module, SHIFTED)
    refused = pytest.raises(BandError, match=r'B10 \(swir_cirrus, mean 1848.9, .*m-eurosat')
    for normalization in ('model_native', 'bandspec_zscore'):
        with refused:
            module.SwiMDiffBench(
                bands, checkpoint=str(tmp_path / 'swir.pth'), normalization=normalization
            )
    names = dict(pair.split(': ') for pair in module._EUROSAT.split(', '))
    model = module.SwiMDiffBench(bands, checkpoint=str(tmp_path / 'swir.pth'), band_names=names)
    assert model.inputs.index.tolist() == [2, 3, 4]
    # Red, green and blue are not in doubt.
    visible = [('s2', name, 1000.0, 400.0, 28000) for name in ('blue', 'green', 'red')]
    model = module.SwiMDiffBench(specs(module, (*visible, *SHIFTED)), checkpoint=opened[0])
    assert model.inputs.index.tolist() == [2, 1, 0]


def test_pictures_among_16_bit_bands_are_no_swir(module, tmp_path):
    write_checkpoint(tmp_path / 'swir.pth', 'B04,B11')
    rows = (('s2', 'red', 807.6, 358.9, 5365), ('s2', 'swir_1', 89.9, 27.6, 255))
    with pytest.raises(BandError, match=r'B11 \(swir_1, mean 89.9, at most 255\)'):
        module.SwiMDiffBench(specs(module, rows), checkpoint=str(tmp_path / 'swir.pth'))


def test_the_backbone_stays_as_it_is(module, opened):
    path, _ = opened
    model = module.SwiMDiffBench(specs(module, MIXED), checkpoint=path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()(draw(MIXED))
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    # Heads for segmentation look for layers of this name, without the prefix `backbone.`.
    assert {f'backbone.layer{i}' for i in (1, 2, 3, 4)} <= {n for n, _ in model.named_modules()}


def test_a_file_of_another_backbone(module, opened, tmp_path):
    content = torch.load(opened[0])
    content['state_dict'].pop('backbone.layer4.0.conv1.weight')
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'Missing in the file 1: layer4.0.conv1.weight'):
        module.SwiMDiffBench(specs(module, MIXED), checkpoint=str(tmp_path / 'x.pth'))


def test_the_yaml_fits_the_class(module, opened):
    options = yaml.safe_load(YAML.read_text())
    assert options.pop('_target_') == 'swimdiff.interop.torchgeo_bench.SwiMDiffBench'
    assert options.pop('checkpoint') == '???'
    taken = inspect.signature(module.SwiMDiffBench).parameters
    assert set(options) - {'name', 'eval'} <= set(taken)
    # As the runner does it: all of the file, and bands and normalization beside it.
    module.SwiMDiffBench(
        bands=specs(module, MIXED),
        normalization='model_native',
        checkpoint=opened[0],
        **options,
    )

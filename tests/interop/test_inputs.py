import importlib
import json
import sys

import numpy as np
import pytest
import torch
from fixtures.yardsticks import BACKBONE, write_checkpoint

from swimdiff.bands import TABLES, get_stats
from swimdiff.datasets.classification.loading import _Stretch
from swimdiff.errors import BandError, CheckpointError, ConfigError
from swimdiff.interop.inputs import STRETCHED, CheckpointInputs, check_unit, name_band
from swimdiff.interop.opening import open_checkpoint

RGB = ('B04', 'B03', 'B02')


def inputs(stats='seco', channels=RGB, unit='reflectance x 10000', bands=RGB):
    return CheckpointInputs(bands, get_stats(stats), channels, unit, 'the test')


#: Statistics of pictures are of 8 bits, and nothing is stretched by them.
@pytest.mark.parametrize('stats', [name for name in TABLES if name != 'pictures'])
def test_every_16_bit_value_becomes_what_our_own_readers_make_of_it(stats):
    bands = tuple(TABLES[stats].low)
    values = torch.arange(65_536.0).repeat(len(bands), 1).view(1, len(bands), 256, 256)
    pixels = inputs(stats, bands, bands=bands).stretch(values)
    table = _Stretch(stats)
    expected = np.stack([table.table(band) for band in bands])
    np.testing.assert_array_equal(pixels.view(len(bands), -1).numpy(), expected)


@pytest.mark.parametrize(
    ('unit', 'scale'), [('reflectance', 1 / 10_000), ('reflectance x 255', 255 / 10_000)]
)
def test_the_same_ground_in_another_unit(unit, scale):
    values = 6000 * torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    same = inputs('oscd').stretch(values), inputs('oscd', unit=unit).stretch(values * scale)
    # Rounding moves a pixel by one step where it lies on the edge of two.
    assert (same[0] != same[1]).float().mean() < 1e-3
    assert (same[0] - same[1]).abs().max() <= 1


def test_bands_are_taken_by_name_and_standardised_once():
    images = 3000 * torch.rand(1, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    channels = ('B02', None, 'B03', 'B08', 'B04')
    result = inputs('oscd', channels)(images).numpy()[0]
    stats = get_stats('oscd')
    for row, (band, channel) in enumerate([('B04', 4), ('B03', 2), ('B02', 0)]):
        low, high = stats.low[band], stats.high[band]
        pixel = np.floor(np.clip((images[0, channel].numpy() - low) / (high - low), 0, 1) * 255)
        expected = (pixel - stats.mean[band]) / stats.std[band]
        np.testing.assert_allclose(result[row], expected, atol=1e-5)


def test_pictures_are_not_stretched_and_no_data_is_black():
    images = torch.full((1, 3, 2, 2), 130.0)
    assert inputs(unit=STRETCHED).stretch(images).unique().item() == 130
    assert inputs().stretch(images * torch.nan).unique().item() == 0


def test_a_missing_band_is_named():
    with pytest.raises(BandError, match=r'takes B04, B03, B02; .* lack B03. Found B04, B02. Let'):
        inputs(channels=('B04', None, 'B02'))
    with pytest.raises(BandError, match='name B03 twice'):
        inputs(channels=('B04', 'B03', 'B02', 'B03'))


def test_bands_of_another_sensor_are_those_that_the_checkpoint_takes():
    numbers = dict(low=0, high=255, mean=90, std=45)
    stats = get_stats(dict(unit='as stored', bands=dict(thermal=numbers, B04=numbers)))
    channels = [name_band(name, stats.low) for name in ('b4', 'purple', 'thermal')]
    assert channels == ['B04', None, 'thermal'] and name_band('thermal') is None
    images = torch.arange(3.0).view(1, 3, 1, 1) * 45 + 90
    taken = inputs(stats, channels, STRETCHED, ('thermal', 'B04'))(images)
    assert taken.flatten().tolist() == [2, 0]


def test_another_number_of_channels():
    with pytest.raises(BandError, match=r'images have 4 channels \(1, 4, 2, 2\). Expected 3'):
        inputs()(torch.zeros(1, 4, 2, 2))


@pytest.mark.parametrize(
    ('unit', 'mean', 'fits'),
    [
        ('reflectance', 1100, 'reflectance x 10000'),
        ('reflectance x 10000', 0.12, 'reflectance'),
        ('reflectance x 255', 0.12, 'reflectance'),
        ('reflectance x 10000', 28, 'reflectance x 255'),
    ],
)
def test_a_unit_that_the_means_contradict(unit, mean, fits):
    with pytest.raises(
        ConfigError, match=f'the option: .*{mean}.* These would fit: {fits!r}. Corr'
    ):
        check_unit([mean / 2, mean], unit, 'the option')
    assert check_unit([mean / 2, mean], fits, 'the option') == fits


@pytest.mark.parametrize('unit', [None, 'DN'])
def test_an_unknown_unit(unit):
    with pytest.raises(
        ConfigError, match=f"the unit of the pixels is {unit!r}. Expected one of 're"
    ):
        check_unit([], unit, 'the option')


def test_statistics_of_another_unit():
    columns = dict(low=0, high=9, mean=100, std=50)
    stats = get_stats(dict(unit='counts', bands=dict.fromkeys(RGB, columns)))
    with pytest.raises(ConfigError, match="the config', which are of pixels in 'counts'"):
        CheckpointInputs(RGB, stats, RGB, 'reflectance', 'the test')


# ------------------------------------------------------------------ opening


def test_a_file_that_says_nothing_of_itself(tmp_path):
    net = write_checkpoint(tmp_path / 'x.pth')
    torch.save(net.state_dict(), tmp_path / 'bare.pth')
    path = str(tmp_path / 'bare.pth')
    with pytest.raises(
        CheckpointError, match=r'bare.pth does not say its backbone, bands, stats\.'
    ):
        open_checkpoint(path)
    opened = open_checkpoint(path, BACKBONE, RGB, 'seco')
    body = opened.build()
    assert 'loaded 120 of 120' in opened.load(body)
    assert all(torch.equal(a, b) for a, b in zip(body.parameters(), net.parameters(), strict=True))


def test_a_run_with_a_mean_of_its_own_does_not_get_that_of_a_table(tmp_path):
    write_checkpoint(tmp_path / 'x.pth')
    content = torch.load(tmp_path / 'x.pth')
    own = dict.fromkeys(RGB, 100.0)
    content['meta'] = dict(backbone=json.dumps(BACKBONE))
    content['meta']['cfg'] = f"data_preprocessor = dict(bands={RGB}, stats='seco')"
    torch.save(content, tmp_path / 'table.pth')
    assert open_checkpoint(str(tmp_path / 'table.pth')).stats.name == 'seco'
    content['meta']['cfg'] = f'data_preprocessor = dict(bands={RGB}, stats="seco", mean={own})'
    torch.save(content, tmp_path / 'own.pth')
    with pytest.raises(CheckpointError, match='does not say its stats'):
        open_checkpoint(str(tmp_path / 'own.pth'))
    assert open_checkpoint(str(tmp_path / 'own.pth'), stats='oscd').stats.name == 'oscd'


def test_the_folder_needs_no_benchmark(monkeypatch):
    for package in ('torchgeo_bench', 'pangaea', 'hydra'):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    for name in ('swimdiff.interop', 'swimdiff.interop.inputs', 'swimdiff.interop.opening'):
        monkeypatch.delitem(sys.modules, name)
    importlib.import_module('swimdiff.interop.inputs')
    importlib.import_module('swimdiff.interop.opening')
    with pytest.raises(ImportError, match='torchgeo_bench'):
        importlib.import_module('swimdiff.interop.torchgeo_bench')

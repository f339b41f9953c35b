"""High-frequency shares of waves of known frequency."""

import math

import pytest
import torch

from swimdiff.visualization.detail import detail_figure, filter_detail, measure_detail


def wave(periods, size=32, axis=1, amplitude=1.0):
    """A cosine with so many periods along one axis, 1 x 1 x size x size."""
    line = amplitude * torch.cos(2 * math.pi * periods * torch.arange(size) / size)
    return (line[:, None] if axis == 0 else line[None]).expand(size, size)[None, None]


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('size', [32, 31])
def test_a_wave_is_detail_above_the_cutoff_and_none_below(axis, size):
    assert measure_detail(wave(3, size, axis)).item() == pytest.approx(0, abs=1e-5)
    assert measure_detail(wave(12, size, axis)).item() == pytest.approx(1, abs=1e-5)


def test_shares_are_shares_of_variance_and_means_do_not_count():
    maps = torch.cat([wave(2, amplitude=3.0) + 100, wave(15, amplitude=1.0)], dim=1)
    assert measure_detail(maps).item() == pytest.approx(0.1, abs=1e-4)
    mixed = wave(2, amplitude=3.0) + wave(15, amplitude=1.0)
    assert measure_detail(mixed).item() == pytest.approx(0.1, abs=1e-4)
    assert measure_detail(torch.ones(1, 2, 8, 8)).item() == 0


def test_against_a_full_transform_by_hand():
    maps = torch.randn(2, 3, 10, 9, generator=torch.Generator().manual_seed(0)).double()
    spectrum = torch.fft.fft2(maps - maps.mean(dim=(2, 3), keepdim=True)).abs() ** 2
    for n in range(2):
        high = total = 0.0
        for y in range(10):
            for x in range(9):
                fy, fx = min(y, 10 - y) / 10, min(x, 9 - x) / 9
                power = float(spectrum[n, :, y, x].sum())
                total += power
                high += power * (math.hypot(fy, fx) / 0.5 >= 0.6)
        assert measure_detail(maps, 0.6)[n].item() == pytest.approx(high / total, rel=1e-4)


def test_what_is_kept_has_the_measured_share_of_the_variance():
    maps = torch.randn(3, 4, 16, 16)
    kept = filter_detail(maps).square().mean(dim=(1, 2))
    assert torch.allclose(kept, measure_detail(maps), rtol=1e-3)


def test_the_picture_names_networks_and_shares(tmp_path):
    images = torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)
    features = {'plain': wave(2, 16).repeat(5, 2, 1, 1), 'fine': wave(7, 16).repeat(5, 2, 1, 1)}
    figure, shares = detail_figure(images, features, ('B04', 'B03', 'B02'), shown=2)
    assert shares['plain'].max() < 1e-4 and shares['fine'].min() > 0.999
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert 'fine\n100.0% of 5 images' in labels
    figure.savefig(tmp_path / 'detail.png')

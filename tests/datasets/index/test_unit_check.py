"""Judging the unit of pixels by their brightness."""

import logging

import numpy as np
import pytest

from swimdiff.datasets.index import check_pixels
from swimdiff.errors import RasterError

UNIT = 'reflectance x 10000'


def land(*shape):
    """Digital numbers as of land: 300 to 3,000."""
    return np.random.default_rng(0).integers(300, 3000, shape).astype(np.uint16)


def test_the_unit_that_fits_is_silent_and_another_is_refused():
    pixels = land(2, 3, 64, 64)
    check_pixels(pixels, UNIT, 'images')
    with pytest.raises(RasterError, match=r"images: .* quantiles .*Declare unit='reflectance'"):
        check_pixels(pixels / 10_000, UNIT, 'images')


def test_of_a_declared_unit_it_is_a_warning(monkeypatch):
    said = []
    log = 'swimdiff.datasets.index.unit_check.print_log'
    monkeypatch.setattr(log, lambda text, logger, level: said.append((text, level)))
    check_pixels(land(4, 64, 64) // 100, UNIT, 'lake.tif', is_declared=True)
    ((text, level),) = said
    assert level == logging.WARNING and text.startswith(f'lake.tif: pixels are taken for {UNIT!r}')
    check_pixels(land(4, 64, 64), UNIT, 'land.tif', is_declared=True)
    assert len(said) == 1


def test_what_has_no_data_is_left_out():
    pixels = land(3, 50, 50).astype(np.float32)
    pixels[:, :25] = 65_535
    pixels[:, 25:30] = np.nan
    pixels[:, 30:35] = 0
    check_pixels(pixels, UNIT, 'images', no_data=65_535)
    with pytest.raises(RasterError, match='65535'):
        check_pixels(pixels, UNIT, 'images')
    check_pixels(np.zeros((1, 8, 8)), UNIT, 'images')


@pytest.mark.parametrize('width', [1024, 1025, 1050])
def test_of_many_pixels_all_columns_are_looked_at(width):
    """Columns of another value weigh as much as they are many."""
    pixels = land(4, 1300, width)
    every = round(pixels.size / 2**18)
    pixels[..., ::every] = 60_000
    quantile = np.quantile(pixels, 0.98)
    with pytest.raises(RasterError) as caught:
        check_pixels(pixels, UNIT, 'images')
    assert f'and {quantile:g}, ' in str(caught.value)
    pixels[..., ::every] = 65_535
    check_pixels(pixels, UNIT, 'images', no_data=65_535)


def test_an_array_that_is_not_laid_out_row_by_row():
    pixels = land(500, 600, 4).transpose(2, 0, 1)
    check_pixels(pixels, UNIT, 'images')
    with pytest.raises(RasterError):
        check_pixels(pixels.astype(np.float32) / 10_000, UNIT, 'images')

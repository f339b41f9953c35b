"""Reading rasters: right pixels, and an error for every kind of damage."""

import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.rasters import write
from fixtures.seco import DATES, pattern, write_band
from osgeo import gdal, osr

from swimdiff.datasets import geo
from swimdiff.datasets.geo import access as gdal_access
from swimdiff.datasets.geo.georeference import centre_lonlat
from swimdiff.datasets.geo.raster import read_band, read_bands
from swimdiff.errors import DataError, GdalMissingError, LayoutError, RasterError


@pytest.fixture
def tif(tmp_path):
    path = tmp_path / 'B4.tif'
    write_band(path, pattern(0, 0, 'B4'), 35, 20)
    return path


def test_pixels_come_back_in_the_order_of_the_bands(shared_seco_root):
    folder = shared_seco_root / '000001' / DATES[0]
    image = read_bands([folder / 'B4.tif', folder / 'B2.tif'])
    assert image.shape == (264, 264, 2) and image.dtype == np.uint8
    for i, band in enumerate(('B4', 'B2')):
        expected = gdal.Open(str(folder / f'{band}.tif')).ReadAsArray()
        np.testing.assert_array_equal(image[..., i], expected)
        assert abs(image[..., i].mean() - pattern(1, 0, band).mean()) < 1


def test_resampling_agrees_with_gdal(shared_seco_root):
    """Bilinear to the 10 m grid, pixel centres in the same place as GDAL puts them."""
    folder = shared_seco_root / '000000' / DATES[0]
    image = read_bands([folder / 'B2.tif', folder / 'B5.tif', folder / 'B1.tif'])
    assert image.shape == (264, 264, 3)
    for i, band in ((1, 'B5'), (2, 'B1')):
        source = gdal.Open(str(folder / f'{band}.tif'))
        expected = source.ReadAsArray(
            buf_xsize=264, buf_ysize=264, resample_alg=gdal.GRIORA_Bilinear
        )
        assert np.abs(image[..., i].astype(int) - expected).max() <= 1


def test_size_and_tables(tif):
    table = 255 - np.arange(256, dtype=np.uint8)
    image = read_bands([tif], size=(60, 80), tables=[table])
    plain = gdal.Open(str(tif)).ReadAsArray()
    expected = cv2.resize(255 - plain, (80, 60), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(image[..., 0], expected)


def test_a_window_of_an_open_band_shrunken(tif, tmp_path):
    """In every type, with GDAL's own arrays as the measure."""
    values = np.arange(35 * 20).reshape(20, 35) * 90 - 7.5
    for kind in ('Byte', 'UInt16', 'Int16', 'UInt32', 'Int32', 'Float32', 'Float64'):
        path = str(tmp_path / f'{kind}.tif')
        code = gdal.GetDataTypeByName(kind)
        made = gdal.GetDriverByName('GTiff').Create(path, 35, 20, 1, code)
        made.GetRasterBand(1).WriteArray(values)
        made.FlushCache()
        band = made.GetRasterBand(1)
        for window, size in ((None, None), ((3, 2, 30, 11), None), ((3, 2, 30, 12), (10, 4))):
            where = dict(
                zip(('xoff', 'yoff', 'win_xsize', 'win_ysize'), window or (), strict=False)
            )
            sizes = dict(zip(('buf_xsize', 'buf_ysize'), size or (), strict=False))
            expected = band.ReadAsArray(**where, **sizes)
            found = read_band(band, window, size)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_no_module_needs_the_binding_for_numpy():
    """It is absent or broken where the binding was compiled without NumPy, or for another one."""
    package = Path(geo.__file__).parents[2]
    calls = re.compile(r'\.(ReadAsArray|WriteArray)\(|import gdal_array')
    assert [str(file) for file in package.rglob('*.py') if calls.search(file.read_text())] == []


def test_missing_file(tmp_path):
    with pytest.raises(LayoutError, match=r'B9\.tif is missing'):
        read_bands([tmp_path / 'B9.tif'])


def test_empty_file(tif):
    tif.write_bytes(b'')
    with pytest.raises(RasterError, match=r'B4\.tif cannot be read.*empty file \(0 bytes\)'):
        read_bands([tif])


def test_not_a_tiff(tif):
    tif.write_bytes(b'<html>quota exceeded</html>')
    with pytest.raises(RasterError, match=r'B4\.tif cannot be read'):
        read_bands([tif])


def test_wrong_size(tif):
    write_band(tif, pattern(0, 0, 'B5'), 35, 20)
    with pytest.raises(RasterError, match=r'is 132 x 132 pixels\. Expected .*264 x 264'):
        read_bands([tif], shapes=[(264, 264)])


def test_wrong_type(tif):
    write_band(tif, np.zeros((264, 264), np.uint16), 35, 20, compress='NONE')
    with pytest.raises(RasterError, match='pixels of type UInt16'):
        read_bands([tif])


@pytest.mark.parametrize('tail', ['cut', 'zeros', 'hole'])
def test_truncated_file_never_yields_grey(tif, tail):
    """libjpeg only warns in the middle of the data and would fill the rest with grey."""
    raw = tif.read_bytes()
    for end in range(0, len(raw) - 1, 97):
        damaged = {
            'cut': raw[:end],
            'zeros': raw[:end] + bytes(len(raw) - end),
            'hole': raw[:end] + bytes(min(300, len(raw) - end)) + raw[end + 300 :],
        }[tail]
        tif.write_bytes(damaged)
        with pytest.raises(RasterError, match=r'B4\.tif(?!.*\.\.\s)'):  # one full stop a sentence
            read_bands([tif])


def test_errors_survive_the_trip_from_a_worker(tif):
    """A DataLoader makes the error again from its text."""
    tif.write_bytes(b'')
    with pytest.raises(RasterError) as caught:
        read_bands([tif])
    assert str(type(caught.value)(str(caught.value))) == str(caught.value)
    assert isinstance(caught.value, DataError)


def test_without_gdal_one_message(monkeypatch):
    gdal_access.gdal_modules.cache_clear()
    monkeypatch.setitem(sys.modules, 'osgeo', None)
    try:
        with pytest.raises(GdalMissingError) as caught:
            gdal_access.require_gdal()
    finally:
        gdal_access.gdal_modules.cache_clear()
    for part in ('apt-get', 'conda install', 'brew install', 'python -m swimdiff.doctor'):
        assert part in str(caught.value)


def test_centre_in_degrees_and_from_utm(tmp_path, tif):
    assert centre_lonlat(tif) == pytest.approx((35.012, 19.988))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32636)
    path = tmp_path / 'utm.tif'
    # The central meridian of zone 36 is 33 E, where the easting is 500 km.
    write(path, np.zeros((1, 10, 20), np.uint8), west=499_900, north=50, epsg=32636)
    lon, lat = centre_lonlat(path)
    assert lon == pytest.approx(33, abs=1e-9) and lat == pytest.approx(0, abs=1e-9)


def test_no_georeference_is_said(tmp_path):
    path = tmp_path / 'plain.tif'
    gdal.GetDriverByName('GTiff').Create(str(path), 4, 4).FlushCache()
    with pytest.raises(RasterError, match=r'plain\.tif has no georeference'):
        centre_lonlat(path)

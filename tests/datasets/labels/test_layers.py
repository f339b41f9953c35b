"""Rasters laid onto the grid of another one, against sampling by pyproj."""

import numpy as np
import pytest
from fixtures.labels import BANDS, PIXEL, image, warp
from fixtures.rasters import NORTH, WEST, write
from pyproj import Transformer

from swimdiff.datasets.labels.layers import lay_onto
from swimdiff.datasets.labels.sources import open_image, open_mask
from swimdiff.errors import BandError, LayoutError, RasterError


def test_bands_by_name_as_in_the_file(tmp_path):
    pixels = image(0, bands=4)
    path = str(write(tmp_path / 'a.tif', pixels, names=('B02', 'B03', 'B04', 'B08')))
    planes, valid = open_image(path, ('B08', 'B02'), None).read((10, 20, 30, 40))
    assert np.array_equal(planes, pixels[[3, 0], 10:40, 20:60])
    assert valid.all()
    plain = str(write(tmp_path / 'b.tif', pixels))
    layer = open_image(plain, ('B03',), ('B02', 'B03', 'B04', 'B08'))
    assert np.array_equal(layer.read((0, 0, 5, 5))[0], pixels[[1], :5, :5])
    with pytest.raises(BandError, match=r'no descriptions.*file_bands'):
        open_image(plain, ('B03',), None)
    with pytest.raises(BandError, match=r'has 4 bands. Expected 2'):
        open_image(plain, ('B03',), ('B02', 'B03'))
    with pytest.raises(BandError, match='has no B11; it has B02, B03, B04, B08'):
        open_image(path, ('B11',), None)


def test_files_of_a_folder_share_the_finest_grid(tmp_path):
    fine, coarse = image(0, bands=1)[0], image(1, 60, 75, 1)[0]
    write(tmp_path / 's' / 's_B04.tif', fine)
    write(tmp_path / 's' / 's_B11.tif', coarse, pixel=20)
    layer = open_image(str(tmp_path / 's'), ('B11', 'B04'), None)
    planes, _ = layer.read((0, 0, 120, 150))
    assert np.array_equal(planes[1], fine)
    assert abs(planes[0].mean() - coarse.mean()) < 5
    with pytest.raises(BandError, match='has no B08; it has'):
        open_image(str(tmp_path / 's'), ('B08',), None)


def test_numbers_of_newer_products_are_as_those_of_older(tmp_path):
    pixels = image(0, bands=1) + 1000
    pixels[0, :2] = 0
    folder = tmp_path / 'S2B_MSIL2A_20230101T000000_N0509_R001_T33UUU_20230101T000000'
    path = str(write(folder / 'a.tif', pixels, names=('B04',)))
    planes, _ = open_image(path, ('B04',), None, 'reflectance x 10000').read((0, 0, 9, 9))
    assert np.array_equal(planes[0, 2:], pixels[0, 2:9, :9] - 1000.0)
    assert not planes[0, :2].any()


def test_no_data_is_in_no_band(tmp_path):
    pixels = image(0).astype(np.float32)
    pixels[1, 3, 4], pixels[2, 5, 6] = -1, np.nan
    path = str(write(tmp_path / 'a.tif', pixels, names=BANDS, nodata=-1))
    planes, valid = open_image(path, BANDS, None).read((0, 0, 20, 20))
    assert not valid[3, 4] and not valid[5, 6] and valid.sum() == 398
    assert not planes[:, 3, 4].any() and not planes[:, 5, 6].any()


@pytest.mark.parametrize('kind', ['image', 'mask'])
def test_another_system_is_warped_onto_the_grid(tmp_path, kind):
    """Smooth ground whose value is known anywhere, so that a shift of a fifth of a pixel shows."""
    rows, columns = np.mgrid[:120, :150]
    x, y = WEST + (columns + 0.5) * PIXEL, NORTH - (rows + 0.5) * PIXEL

    def value(x, y):
        smooth = 1500 + (x - WEST) * 0.5 + (NORTH - y) * 0.25
        return smooth if kind == 'image' else 1 + ((x - WEST) // 400 + (NORTH - y) // 400) % 3

    first = str(write(tmp_path / 'a.tif', np.full((120, 150), 500, np.uint16), names=('B04',)))
    grid = open_image(first, ('B04',), None).grid
    # The other raster: in the zone to the west, its own grid, written from the same formula.
    to_west = Transformer.from_crs(32633, 32632, always_xy=True)
    back = Transformer.from_crs(32632, 32633, always_xy=True)
    corners = to_west.transform([WEST, WEST + 1500], [NORTH, NORTH - 1200])
    west, north = np.floor(min(corners[0])) - 301, np.ceil(max(corners[1])) + 297
    r, c = np.mgrid[:240, :260]
    there = value(*back.transform(west + (c + 0.5) * 9, north - (r + 0.5) * 9))
    kind_of = np.float32 if kind == 'image' else np.uint8
    path = write(
        tmp_path / 'b.tif', there.astype(kind_of), west, north, 9, epsg=32632, names=('B04',)
    )
    if kind == 'image':
        layer = lay_onto(open_image(str(path), ('B04',), None), grid, 'bilinear', first)
    else:
        layer = lay_onto(open_mask(str(path)), grid, 'near', first)
    planes, valid = layer.read((0, 0, 120, 150))
    assert valid.mean() > 0.99
    error = np.abs(planes[0] - value(x, y))[valid]
    if kind == 'image':
        assert error.max() < 1.5  # a tenth of a pixel is 0.75 to the east
    else:
        assert set(np.unique(planes[0][valid])) <= {1, 2, 3}
        assert (error > 0).mean() < 0.06  # only along the edges of the squares


def test_ground_without_the_other_date_has_no_data(tmp_path):
    first = str(write(tmp_path / 'a.tif', image(0), names=BANDS))
    moved = str(write(tmp_path / 'b.tif', image(1), west=WEST + 1000, names=BANDS))
    layer = lay_onto(
        open_image(moved, BANDS, None), open_image(first, BANDS, None).grid, 'bilinear', first
    )
    planes, valid = layer.read((0, 0, 120, 150))
    assert not valid[:, :100].any() and valid[:, 100:].all()
    assert np.array_equal(planes[:, :, 100:], image(1)[:, :, :50])


def test_what_cannot_be_laid_onto_each_other(tmp_path):
    first = str(write(tmp_path / 'a.tif', image(0), names=BANDS))
    grid = open_image(first, BANDS, None).grid
    far = str(write(tmp_path / 'b.tif', image(0), west=WEST + 90_000, names=BANDS))
    with pytest.raises(RasterError, match=r'b\.tif and .*a\.tif do not overlap.*longitude'):
        lay_onto(open_image(far, BANDS, None), grid, 'bilinear', first)
    bare = str(write(tmp_path / 'c.tif', image(0), epsg=None, names=BANDS))
    with pytest.raises(RasterError, match=r'c\.tif has no georeference.*None is assumed'):
        open_image(bare, BANDS, None)
    turned = (WEST, 10, 1, NORTH, 1, -10)
    path = str(write(tmp_path / 'd.tif', image(0), transform=turned, names=BANDS))
    with pytest.raises(RasterError, match='rotated'):
        open_image(path, BANDS, None)
    with pytest.raises(LayoutError, match=r'e\.tif is missing. Expected the file that the list'):
        open_image(str(tmp_path / 'e.tif'), BANDS, None)
    with pytest.raises(RasterError, match=r'/vsizip/.* cannot be read'):
        open_image('/vsizip/none.zip/e.tif', BANDS, None)
    with pytest.raises(RasterError, match=r'Float32. Expected class numbers'):
        open_mask(str(write(tmp_path / 'f.tif', image(0)[0].astype(np.float32))))
    cut = tmp_path / 'g.tif'
    cut.write_bytes((tmp_path / 'a.tif').read_bytes()[:60_000])
    with pytest.raises(RasterError, match=r'g\.tif cannot be read'):
        open_image(str(cut), BANDS, None).read((100, 0, 20, 150))


def test_warped_layers_name_their_file_when_it_goes(tmp_path):
    first = str(write(tmp_path / 'a.tif', image(0), names=BANDS))
    source = write(tmp_path / 's.tif', image(1), names=BANDS)
    other = warp(source, tmp_path / 'b.tif', dstSRS='EPSG:4326')
    grid = open_image(first, BANDS, None).grid
    layer = lay_onto(open_image(str(other), BANDS, ('B04', 'B03', 'B02')), grid, 'near', first)
    assert layer.source.startswith('<VRTDataset')
    other.unlink()
    with pytest.raises(LayoutError, match=r'b\.tif is missing'):
        from swimdiff.datasets.rasters.reading import close_files

        close_files()
        layer.read((0, 0, 5, 5))

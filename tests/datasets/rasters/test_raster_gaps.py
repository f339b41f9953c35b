"""What no window may hold: pixels without data as numbers, another place's pixels, old pixels."""

import os

import numpy as np
import pytest
from fixtures.rasters import noise, write, write_bands
from fixtures.tools import load_tool
from osgeo import gdal, osr

from swimdiff.datasets import RasterScenes
from swimdiff.datasets.rasters import RasterScenesSource
from swimdiff.errors import RasterError

VALUE = 2000


def write_with_gaps(path, gone, kind, west, north, epsg):
    """One value everywhere, and nothing in some pixels, in every way that files say so."""
    array = np.full(gone.shape, VALUE, 'uint16')
    where = dict(west=west, north=north, epsg=epsg)
    if kind == 'nan':
        write(path, np.where(gone, np.nan, array).astype('float32'), **where)
    elif kind == 'mask':
        array[gone] = 7
        write(path, array, **where)
        gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        mask = np.where(gone, 0, 255).astype('uint8')
        band = dataset.GetRasterBand(1).GetMaskBand()
        band.WriteRaster(0, 0, *gone.shape[::-1], mask.tobytes())
        band = dataset = None
        gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', None)
    else:
        nothing = dict(zeros=0, declared=65535)[kind]
        nodata = nothing if kind == 'declared' else None
        write(path, np.where(gone, nothing, array).astype('uint16'), nodata=nodata, **where)


def holes(height, width):
    """A third in the west, and some pixels here and there."""
    gone = np.random.default_rng(0).random((height, width)) < 0.02
    gone[:, : width // 3] = True
    return gone


def read_all(source, index, path=None):
    rows = [row for row in range(len(index)) if path in (None, index.paths[row])]
    return np.stack([source.read([row], ['B04'])[0][0] for row in rows])


@pytest.mark.parametrize('kind', ['zeros', 'declared', 'nan', 'mask'])
def test_no_data_has_no_weight_in_a_warp(tmp_path, kind):
    """One value with gaps stays that value or nothing, from another zone too."""
    whole = np.full((260, 260), VALUE, 'float32' if kind == 'nan' else 'uint16')
    write(tmp_path / 'a_B04.tif', whole, 709_000, 5_655_000, epsg=32632)
    gone = holes(200, 200)
    write_with_gaps(tmp_path / 'b_B04.tif', gone, kind, 288_000, 5_655_100, 32633)
    source = RasterScenesSource(str(tmp_path), patch=48, min_valid=0)
    index = source.index
    assert index.about['places'][0][0] == 'a'
    planes = read_all(source, index, 'b')
    assert set(np.unique(planes.round(2))) == {0, VALUE}  # of a quotient of float32
    assert (planes == 0).mean() == pytest.approx(gone.mean(), abs=0.08)


@pytest.mark.parametrize('kind', ['zeros', 'declared', 'nan', 'mask'])
def test_no_data_has_no_weight_in_another_size(tmp_path, kind):
    """Finer, coarser, and so much coarser that the file is read with pixels left out."""
    gone = holes(720, 720)
    write_with_gaps(tmp_path / 'b_B04.tif', gone, kind, 600_000, 5_700_000, 32633)
    for metres, tolerance in ((7, 0.01), (25, 0.02), (170, 0.04)):
        source = RasterScenesSource(
            str(tmp_path), patch_metres=1200, pixel_metres=metres, min_valid=0
        )
        planes = read_all(source, source.build())
        assert planes.size and set(np.unique(planes.round(2))) == {0, VALUE}
        # Single gaps vanish in means; the western third does not.
        least, most = 1 / 3 - tolerance, gone.mean() + tolerance
        assert least < (planes == 0).mean() < most


def test_zero_in_one_band_alone_is_a_value(tmp_path):
    """A dark band beside a bright one counts as it is, as the judge of windows takes it."""
    dark = np.where(np.arange(200) < 100, 0, 1000)[None].repeat(200, 0).astype('uint16')
    bright = np.full((200, 200), VALUE, 'uint16')
    write(tmp_path / 'x.tif', np.stack([dark, bright]), names=('B02', 'B04'))
    source = RasterScenesSource(str(tmp_path), patch_metres=1500, pixel_metres=30)
    (one, other) = source.read([0], ['B02', 'B04'])[0]
    assert (other == VALUE).all() and ((one > 0) & (one < 1000)).any()


def test_coarse_bands_are_brought_to_the_fine_grid_without_their_gaps(tmp_path):
    fine, coarse = np.full((96, 96), VALUE, 'uint16'), np.full((48, 48), VALUE, 'uint16')
    gone = holes(48, 48)
    coarse[gone] = 0
    fine[gone.repeat(2, 0).repeat(2, 1)] = 0
    write_bands(tmp_path / 'scenes' / 'x', dict(B04=fine, B05=coarse))
    options = dict(patch=96, min_valid=0, stretch=False, pipeline=[dict(type='LoadPatch')])
    folder, packed = str(tmp_path / 'scenes'), str(tmp_path / 'pack')
    image = RasterScenes(folder, **options)[0]['img']
    assert set(np.unique(image[..., 1])) == {0, VALUE}
    np.testing.assert_array_equal(image[..., 0], fine)
    load_tool('dataset_converters/pack.py').main(
        [folder, packed, '--type', 'RasterScenes', '--dataset-options', 'patch=96', 'min_valid=0']
    )
    np.testing.assert_array_equal(RasterScenes(packed, **options)[0]['img'], image)


@pytest.mark.parametrize('west', [-180.0, -180.125, 0.0])
def test_windows_of_a_world_raster_are_its_pixels(tmp_path, west):
    """None over the seam; those beside it are plain slices."""
    picture = noise(180, 360)
    write(tmp_path / 'a_B04.tif', picture, west, 90.0, 1.0, epsg=4326)
    write(tmp_path / 'b_B04.tif', picture + 1, west, 90.0, 1.0, epsg=4326)
    source = RasterScenesSource(str(tmp_path), patch=50)
    index = source.index
    assert len(index.about['places']) == 1 and len(index.locations) == 21 and len(index) == 42
    for location in range(21):
        row, column = divmod(location, 7)
        expected = picture[50 * row :, 50 * column :][:50, :50]
        (one,), (other,) = source.read(index.rows(location), ['B04'])
        np.testing.assert_array_equal(one, expected)
        np.testing.assert_array_equal(other, expected + 1)


@pytest.mark.parametrize('options', [dict(patch=20), dict(patch_metres=2e6, pixel_metres=1e5)])
def test_world_raster_of_two_dates_beside_a_scene(tmp_path, options):
    """Ended in an OverflowError."""
    for name in 'ab':
        write(tmp_path / f'{name}_B04.tif', noise(180, 360), -180.0, 90.0, 1.0, epsg=4326)
    write(tmp_path / 'c_B04.tif', noise(24, 24))
    assert len(RasterScenesSource(str(tmp_path), **options).build()) > 300


def test_full_disk_of_a_geostationary_satellite(tmp_path):
    """Its corners are in space: no window there, the others where they are. Was a ValueError."""
    system = osr.SpatialReference()
    system.ImportFromProj4('+proj=geos +h=35785831 +lon_0=10 +sweep=y')
    for number in range(2):
        grid = (-5_500_000, 11_000_000 / 120, 0, 5_500_000, 0, -11_000_000 / 120)
        path = write(tmp_path / f'{number}_B04.tif', noise(120, 120, number), transform=grid)
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.SetProjection(system.ExportToWkt())
        dataset = None
    scene = dict(type='BlockScene', metres=500_000)
    data = RasterScenes(str(tmp_path), patch=20, stretch=False, scene=scene)
    assert len(data) == 2 * 32 and np.isfinite(data.index.centres).all()  # 36 less the corners
    middle = data.index.centres.mean(axis=0)
    np.testing.assert_allclose(middle, (10, 0), atol=0.5)
    plane = data.source.read([0], ['B04'])[0][0]
    np.testing.assert_array_equal(plane, noise(120, 120)[:20, 20:40])


def test_a_file_that_is_replaced_is_read_anew(tmp_path):
    path = write(tmp_path / 'a_B04.tif', noise(24, 24))
    source = RasterScenesSource(str(tmp_path), patch=24)
    index = source.index
    np.testing.assert_array_equal(read_all(source, index)[0], noise(24, 24))
    other = write(tmp_path / 'new' / 'x.tif', noise(24, 24, 7))
    os.replace(other, path)
    np.testing.assert_array_equal(read_all(source, index)[0], noise(24, 24, 7))
    write(path, noise(24, 24, 8), west=600_010)
    with pytest.raises(RasterError, match=r'a_B04\.tif was replaced since it was indexed.*600010'):
        read_all(source, index)
    # As the message says: started again, it is read where it lies now.
    again = RasterScenesSource(str(tmp_path), patch=24, include='a*')
    np.testing.assert_array_equal(read_all(again, again.build())[0], noise(24, 24, 8))


def test_a_part_of_a_mosaic_that_is_replaced(tmp_path):
    part = write(tmp_path / 'parts' / 'p.tif', noise(24, 24))
    (tmp_path / 'mosaic').mkdir()
    gdal.BuildVRT(str(tmp_path / 'mosaic' / 'm_B04.vrt'), [str(part)]).FlushCache()
    source = RasterScenesSource(str(tmp_path / 'mosaic'), patch=24)
    index = source.index
    np.testing.assert_array_equal(read_all(source, index)[0], noise(24, 24))
    os.replace(write(tmp_path / 'x.tif', noise(24, 24, 7)), part)
    np.testing.assert_array_equal(read_all(source, index)[0], noise(24, 24, 7))

"""Which windows of a scene are taken: shares of data and of clear sky, and windows at random."""

import numpy as np
import pytest
from fixtures.rasters import noise, scene_bands, write, write_bands
from osgeo import gdal
from torch.utils.data import DataLoader

from swimdiff.datasets import RasterScenes
from swimdiff.datasets.rasters import RasterScenesSource
from swimdiff.datasets.rasters import reading as raster_scenes_reading
from swimdiff.errors import LayoutError
from swimdiff.randomness import SeededIndex

SIDE, PATCH = 64, 16  # a point of the judge is a pixel, so plain counting is exact


def windows(index):
    return {tuple(map(int, name[-11:].split('_'))) for name in index.locations}


def naive(good, least):
    """Windows with a share of good pixels, counted one by one."""
    found = set()
    for row in range(SIDE // PATCH):
        for column in range(SIDE // PATCH):
            part = good[row * PATCH :, column * PATCH :][:PATCH, :PATCH]
            if part.mean() >= least:
                found.add((row, column))
    return found


def holes(seed=0):
    """Most of the north-west and a ragged edge without data."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (x + y < 50) | (np.random.default_rng(seed).random((SIDE, SIDE)) < 0.04)


@pytest.mark.parametrize('kind', ['zeros', 'declared', 'declared float', 'nan', 'mask', 'alpha'])
@pytest.mark.parametrize('least', [0.5, 0.95])
def test_windows_with_data(tmp_path, kind, least):
    array, gone = noise(SIDE, SIDE), holes()
    path = tmp_path / 'x.tif'
    if kind == 'zeros':
        write(path, np.where(gone, 0, array).astype('uint16'))
    elif kind == 'declared':
        write(path, np.where(gone, 65535, array).astype('uint16'), nodata=65535)
    elif kind == 'declared float':
        write(
            path,
            np.where(gone, -3.4e38, array).astype('float32'),
            nodata=float(np.float32(-3.4e38)),
        )
    elif kind == 'nan':
        write(path, np.where(gone, np.nan, array).astype('float32'))
    elif kind == 'alpha':
        planes = np.stack([array, np.where(gone, 0, 255)]).astype('uint16')
        write(path, planes, options=('ALPHA=YES',), names=('B04', ''))
    else:
        write(path, array, names=('B04',))
        gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        mask = np.where(gone, 0, 255).astype('uint8')
        dataset.GetRasterBand(1).GetMaskBand().WriteRaster(0, 0, SIDE, SIDE, mask.tobytes())
        dataset = None
        gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', None)
    named = {} if kind in ('mask', 'alpha') else dict(file_bands=['B04'])
    source = RasterScenesSource(str(tmp_path), patch=PATCH, min_valid=least, **named)
    index = source.index
    assert 0 < len(index) < 16 and windows(index) == naive(~gone, least)
    for row in range(len(index)):
        (plane,) = source.read([row], ['B04'])[0]
        r, c = map(int, index.locations[row][-11:].split('_'))
        part = slice(r * PATCH, r * PATCH + PATCH), slice(c * PATCH, c * PATCH + PATCH)
        filled = np.where(gone, 0, array) if kind not in ('mask', 'alpha') else array
        np.testing.assert_array_equal(plane, filled[part])
    everything = RasterScenesSource(str(tmp_path), patch=PATCH, min_valid=0, **named)
    assert len(everything.build()) == 16


def test_zero_in_one_band_is_a_value(tmp_path):
    """No data is where all bands are zero; by option zero is a value like any."""
    dark, gone = noise(SIDE, SIDE), holes()
    dark[:] = np.where(gone, 0, 1)
    dark[32:, :32] = 0
    bright = np.where(gone, 0, noise(SIDE, SIDE)).astype('uint16')
    write(tmp_path / 'x.tif', np.stack([dark, bright]), names=('B02', 'B04'))
    index = RasterScenesSource(str(tmp_path), patch=PATCH, min_valid=0.5).build()
    assert windows(index) == naive(~gone, 0.5)
    source = RasterScenesSource(str(tmp_path), patch=PATCH, zeros_are_nodata=False)
    assert len(source.build()) == 16
    write(tmp_path / 'x.tif', np.zeros((SIDE, SIDE), 'uint16'), names=('B04',))
    with pytest.raises(LayoutError, match=r'None of the 16 windows .* 16 have too little data'):
        RasterScenesSource(str(tmp_path), patch=PATCH).build()


@pytest.mark.parametrize('kind', ['SCL', 'QA60', 'probability', 'folder'])
def test_windows_without_cloud(tmp_path, kind):
    y, x = np.mgrid[: SIDE // 2, : SIDE // 2]
    cloud = (x - 20) ** 2 + (y - 12) ** 2 < 120
    fine = cloud.repeat(2, 0).repeat(2, 1)
    array = noise(SIDE, SIDE)
    clouds: object = kind
    if kind == 'SCL':
        write(tmp_path / 'x_B04_10m.tif', array)
        classes = np.where(cloud, np.where(x % 2, 9, 3), 5).astype('uint8')
        write(tmp_path / 'x_SCL_20m.tif', classes, pixel=20)
    elif kind == 'QA60':
        flags = np.where(fine, 1 << 11, 1 << 3).astype('uint16')
        write(tmp_path / 'x.tif', np.stack([array, flags]), names=('B4', 'QA60'))
    else:
        write(tmp_path / 'x_B04.tif', array)
        percent = np.where(cloud, 80, 10).astype('uint8')
        if kind == 'folder':
            write(tmp_path / 'masks' / 'x.tif', percent, pixel=20)
            clouds = dict(file='masks/{stem}.tif', values=[80])
        else:
            write(tmp_path / 'x_clouds.tif', percent, pixel=20)
            clouds = dict(file='{stem}_clouds.tif', above=40)
    for least in (0.5, 1.0):
        source = RasterScenesSource(str(tmp_path), patch=PATCH, clouds=clouds, min_clear=least)
        assert source.bands == ('B04',)
        index = source.index
        assert len(index) < 16 and windows(index) == naive(~fine, least)
    assert len(RasterScenesSource(str(tmp_path), patch=PATCH, clouds=clouds).build()) == 16


def test_scenes_without_a_mask_are_clear_but_not_all_of_them(tmp_path):
    write(tmp_path / 'x_B04.tif', noise(SIDE, SIDE))
    given = dict(patch=PATCH, clouds='SCL', min_clear=1)
    with pytest.raises(LayoutError, match=r'none of the 1 scenes .* has a cloud mask'):
        RasterScenesSource(str(tmp_path), **given).build()
    write(tmp_path / 'y_B04.tif', noise(SIDE, SIDE), west=700_000)
    write(tmp_path / 'y_SCL.tif', np.full((32, 32), 8, 'uint8'), 700_000, pixel=20)
    index = RasterScenesSource(str(tmp_path), **given).build()
    assert len(index) == 16 and set(index.paths) == {'x'}


def test_overlap_and_whole_coarse_pixels(tmp_path):
    """A stride that 60 m do not divide: windows start on whole 60 m pixels nonetheless."""
    bands = scene_bands(side=96)
    write_bands(tmp_path / 'x', bands)
    source = RasterScenesSource(str(tmp_path), patch=24, stride=16)
    index = source.index
    offsets = np.unique((index.columns['left'] - 600_000) / 10)
    assert offsets.tolist() == [0, 12, 30, 48, 60] and len(index) == 25
    for name, factor in (('B04', 1), ('B05', 2), ('B01', 6)):
        plane = source.read([2], [name])[0][0]
        start, side = 30 // factor, 24 // factor
        np.testing.assert_array_equal(plane, bands[name][:side, start : start + side])


def test_random_windows_stay_in_their_cell_and_agree_between_dates(tmp_path):
    big = noise(70, 70)
    write(tmp_path / 'a_B04.tif', big[:64, :64])
    write(tmp_path / 'b_B04.tif', big[2:66, 4:68], 600_040, 5_699_980)
    source = RasterScenesSource(str(tmp_path), patch=10, windows='random', stride=30)
    index = source.index
    assert len(index.locations) == 4 and len(index) == 8
    place = {int(value): (y, x) for (y, x), value in np.ndenumerate(big[:-9, :-9])}
    np.random.seed(0)
    corners = set()
    for _ in range(200):
        (one,), (other,) = source.read(index.rows(3), ['B04'])
        np.testing.assert_array_equal(one, other)
        matches = [
            (y, x)
            for y, x in zip(*np.nonzero(big[:-9, :-9] == one[0, 0]), strict=True)
            if (big[y : y + 10, x : x + 10] == one).all()
        ]
        corners.add(*matches)
    rows, columns = map(np.array, zip(*corners, strict=True))
    # The cell begins 4 + 30 pixels from the west, 2 + 30 from the north and is 30 wide.
    assert columns.min() == 34 and columns.max() == 54 and rows.min() == 32 and rows.max() == 52
    assert len(corners) > 100 and place


def test_random_windows_follow_from_the_seed_and_move_by_coarse_pixels(tmp_path):
    bands = scene_bands(side=96)
    write_bands(tmp_path / 'x', bands)
    options = dict(bands=['B04', 'B01'], patch=24, windows='random', stretch=False)
    data = RasterScenes(str(tmp_path), **options, pipeline=[dict(type='LoadPatch')])
    indices = [SeededIndex(i, 7 + i) for i in range(4)] * 2
    images = [data[i]['img'] for i in indices]
    for one, again in zip(images[:4], images[4:], strict=True):
        np.testing.assert_array_equal(one, again)
    loader = DataLoader(data, 2, sampler=indices, num_workers=2, collate_fn=list)
    for image, item in zip(images, (item for batch in loader for item in batch), strict=True):
        np.testing.assert_array_equal(image, item['img'])
    source = data.source
    for _ in range(20):
        fine, coarse = source.read([0], ['B04', 'B01'])[0]
        y, x = (int(v[0]) for v in np.nonzero(bands['B01'] == coarse[0, 0]))
        np.testing.assert_array_equal(fine, bands['B04'][6 * y :, 6 * x :][:24, :24])


def test_random_windows_are_drawn_again_where_data_is_missing(tmp_path):
    array = noise(SIDE, SIDE)
    array[:, :24] = 0
    write(tmp_path / 'x_B04.tif', array)
    options = dict(patch=8, windows='random', stride=64, min_valid=0.6)
    source = RasterScenesSource(str(tmp_path), **options)
    assert len(source.index)
    np.random.seed(1)
    shares = [(source.read([0], ['B04'])[0][0] > 0).mean() for _ in range(100)]
    assert min(shares) >= 0.6 and min(shares) < 1
    careless = RasterScenesSource(str(tmp_path), **options, zeros_are_nodata=False)
    shares = [(careless.read([0], ['B04'])[0][0] > 0).mean() for _ in range(30)]
    assert min(shares) < 0.6


def test_few_files_stay_open_and_none_is_shared_with_a_worker(tmp_path, monkeypatch):
    raster_scenes_reading._thread.__dict__.pop('files', None)
    monkeypatch.setattr(raster_scenes_reading, '_MOST', 3)
    for number in range(8):
        write(tmp_path / f's{number}_B04.tif', noise(16, 16, number), 600_000 + 5000 * number)
    pipeline = [dict(type='LoadPatch')]
    data = RasterScenes(str(tmp_path), patch=16, stretch=False, pipeline=pipeline)
    here = [data[i]['img'] for i in range(8)]
    files = raster_scenes_reading._thread.__dict__['files']
    assert len(files) == 3
    loader = DataLoader(data, None, num_workers=2)
    for number, item in enumerate(loader):
        np.testing.assert_array_equal(item['img'], here[number])
        np.testing.assert_array_equal(item['img'][..., 0], noise(16, 16, number))

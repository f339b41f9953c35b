"""Folders of scenes: every layout cut against plain slices of the arrays that were written."""

import numpy as np
import pytest
from fixtures.rasters import noise, scene_bands, write, write_bands
from osgeo import gdal

from swimdiff.datasets import RasterScenes
from swimdiff.datasets.rasters import RasterScenesSource
from swimdiff.datasets.rasters import choice as raster_scenes_choice
from swimdiff.errors import (
    BandError,
    ConfigError,
    DatasetNotFoundError,
    LayoutError,
    RasterError,
)

SAFE_L1C = 'S2A_MSIL1C_20200713T075611_N0209_R135_T36QZH_20200713T101410.SAFE'
SAFE_L2A = 'S2A_MSIL2A_20200713T075611_N0214_R135_T36QZH_20200713T110000.SAFE'


def cut(source):
    """Every patch by the row and column that its location's name ends with, and its bands."""
    index = source.build()
    assert index.about['left_out'] == []
    found = {}
    for location in range(len(index.locations)):
        for row in index.rows(location):
            place = tuple(map(int, index.locations[location].rpartition('/')[2].split('_')))
            planes = source.read([row], source.bands)[0]
            found[(*place, index.paths[row])] = dict(zip(source.bands, planes, strict=True))
    return found


def check(source, path, bands, patch=24):
    """All windows of one scene against slices of its arrays."""
    found = cut(source)
    count = next(iter(bands.values())).shape[0] * 1 // patch
    assert set(found) == {(r, c, path) for r in range(count) for c in range(count)}
    fine = max(len(array) for array in bands.values())
    for (row, column, _), planes in found.items():
        assert set(planes) == set(bands)
        for name, plane in planes.items():
            side = patch * len(bands[name]) // fine
            expected = bands[name][row * side :, column * side :][:side, :side]
            np.testing.assert_array_equal(plane, expected)


def test_multi_band_files_described_named_or_numbered(tmp_path):
    array = np.stack([noise(48, 48, seed) for seed in range(3)])
    write(tmp_path / 'plain' / 'a_20200101.tif', array)
    write(tmp_path / 'said' / 'a.tif', array, names=('B2', 'near-infrared', 'B4 (665 nm)'))
    bands = dict(B02=array[0], B04=array[2])
    plain, said = str(tmp_path / 'plain'), str(tmp_path / 'said')
    for given in (['B02', None, 'B04'], dict(B04=3, B02=1)):
        source = RasterScenesSource(plain, file_bands=given, patch=24)
        check(source, 'a_20200101.tif', bands)
        assert source.date(source.path(0)) == '20200101'
    check(RasterScenesSource(said, ['B02', 'B04'], patch=24), 'a.tif', bands)
    assert RasterScenesSource(said).bands == ('B02', 'near-infrared', 'B04')
    with pytest.raises(BandError, match=r'a_20200101\.tif does not say which bands its 3 are'):
        RasterScenesSource(plain)
    with pytest.raises(BandError, match=r'has 3 bands\. Expected 2, as file_bands'):
        RasterScenesSource(plain, file_bands=['B02', 'B04'])


def test_band_files_of_three_resolutions_in_folders_below(tmp_path):
    bands = scene_bands()
    write_bands(tmp_path / 'deep' / 'er' / 'T36QZH_20200713T075611', bands)
    write(tmp_path / 'deep' / 'er' / 'preview.tif', noise(4, 4))
    source = RasterScenesSource(str(tmp_path), ['B04', 'B05', 'B01'], patch=24)
    assert source.sizes.side == dict(B04=24, B05=12, B01=4) and source.sizes.step == 6
    check(source, 'deep/er/T36QZH_20200713T075611', bands)
    assert source.date('x/deep/er/T36QZH_20200713T075611') == '20200713'
    assert RasterScenesSource(str(tmp_path)).bands == ('B01', 'B04', 'B05')


def test_names_of_other_sensors(tmp_path):
    bands = dict(nir=noise(24, 24, 1), red=noise(24, 24, 2))
    for name, array in bands.items():
        write(tmp_path / 'scene' / f'{name}.tif', array)
    check(RasterScenesSource(str(tmp_path), ['nir', 'red'], patch=24), 'scene', bands)


@pytest.mark.parametrize('level', ['L1C', 'L2A'])
def test_safe_products(tmp_path, level):
    """Native resolution of each band; masks, coarse copies and previews are no bands."""
    product = SAFE_L1C if level == 'L1C' else SAFE_L2A
    granule = tmp_path / product / 'GRANULE' / f'{level}_T36QZH_A026417_20200713T081050'
    bands = scene_bands()
    if level == 'L1C':
        write_bands(granule / 'IMG_DATA' / 'T36QZH_20200713T075611', bands, '.jp2')
    else:
        for name, pixel in (('B04', 10), ('B05', 20), ('B01', 60)):
            stem = granule / 'IMG_DATA' / f'R{pixel}m' / 'T36QZH_20200713T075611'
            write_bands(stem, {name: bands[name]}, '.jp2', metres=True)
        for name in ('B04', 'B01', 'TCI'):
            copy = granule / 'IMG_DATA' / 'R20m' / f'T36QZH_20200713T075611_{name}_20m.jp2'
            write(copy, noise(24, 24, 9), pixel=20, driver='JP2OpenJPEG')
    write(granule / 'QI_DATA' / 'MSK_DETFOO_B04.jp2', noise(48, 48, 7), driver='JP2OpenJPEG')
    source = RasterScenesSource(str(tmp_path), patch=24)
    assert source.bands == ('B01', 'B04', 'B05')
    check(source, product, bands)
    inside = RasterScenesSource(str(tmp_path / product), patch=24)
    check(inside, f'GRANULE/{granule.name}', bands)
    data = RasterScenes(str(tmp_path), scene=dict(type='TileScene'), patch=24, stats='s2_l1c')
    assert data.scene_ids().tolist() == [0] * 4 and data[0]['date'] == ['20200713']


@pytest.mark.parametrize('baseline', ['N0301', 'N0400', 'N0511'])
def test_offset_of_later_products(tmp_path, baseline):
    """Reflectance x 10000 is one unit in every year; where no unit is declared, raw numbers."""
    product = SAFE_L2A.replace('N0214', baseline)
    folder = tmp_path / product / 'GRANULE' / 'L2A_T36QZH_A026417_20200713T081050' / 'IMG_DATA'
    array = noise(24, 24)
    write_bands(folder / 'R10m' / 'T36QZH_20200713T075611', dict(B04=array), '.jp2', metres=True)
    check(RasterScenesSource(str(tmp_path), patch=24), product, dict(B04=array))
    later = np.where(array > 1000, array - 1000, 0) if baseline >= 'N0400' else array
    for root in (tmp_path, tmp_path / product):
        source = RasterScenesSource(str(root), patch=24, unit='reflectance x 10000')
        plane = source.read([0], ['B04'])[0][0]
        assert plane.dtype == np.uint16
        np.testing.assert_array_equal(plane, later)


def test_cog_and_vrt(tmp_path):
    array = noise(600, 600)
    path = write(tmp_path / 'cog' / 'x.tif', array, driver='COG', options=('BLOCKSIZE=128',))
    assert gdal.Open(str(path)).GetRasterBand(1).GetOverviewCount() > 0
    check(
        RasterScenesSource(str(path.parent), file_bands=['B04'], patch=100),
        'x.tif',
        dict(B04=array),
        100,
    )
    left, right = noise(24, 24, 1), noise(24, 24, 2)
    parts = [
        str(write(tmp_path / 'parts' / f'{i}.tif', part, 600_000 + 240 * i))
        for i, part in enumerate((left, right))
    ]
    folder = tmp_path / 'mosaic'
    folder.mkdir()
    gdal.BuildVRT(str(folder / 'm_B04.vrt'), parts).FlushCache()
    found = cut(RasterScenesSource(str(folder), patch=24))
    np.testing.assert_array_equal(found[0, 0, 'm']['B04'], left)
    np.testing.assert_array_equal(found[0, 1, 'm']['B04'], right)
    index = RasterScenesSource(str(folder), patch=24).build()
    assert '../parts/1.tif' in list(index.watched)


@pytest.mark.parametrize('dtype', ['uint8', 'int16', 'float32', 'float64'])
def test_types_and_the_stretch_of_each(tmp_path, dtype):
    array = (noise(24, 24) / (12 if dtype == 'uint8' else 1)).astype(dtype)
    if dtype.startswith('float'):
        array = array / 10_000
    write(tmp_path / 'x_B04.tif', array)
    low, high = float(array.min()), float(np.quantile(array, 0.9))
    stats = dict(unit='any', bands=dict(B04=dict(low=low, high=high, mean=100, std=50)))
    load = dict(patch=24, pipeline=[dict(type='LoadPatch')], index_cache=None)
    raw = RasterScenes(str(tmp_path), stretch=False, **load)[0]['img']
    assert raw.dtype == ('float32' if dtype == 'float64' else dtype)
    np.testing.assert_array_equal(raw[..., 0], array.astype(raw.dtype))
    image = RasterScenes(str(tmp_path), stats=stats, **load)[0]['img']
    expected = np.clip((array.astype(float) - low) / (high - low), 0, 1) * 255
    assert image.dtype == np.uint8 and np.abs(image[..., 0] - expected).max() < 1.001


def test_unit_that_the_values_do_not_fit(tmp_path):
    write(tmp_path / 'x_B04.tif', noise(24, 24))
    given = dict(patch=24, stats='s2_l1c', index_cache=None)
    assert len(RasterScenes(str(tmp_path), unit='reflectance x 10000', **given)) == 1
    with pytest.raises(RasterError, match=r'98 % quantiles of those read are 3\d\d\S* and 29\d\d'):
        RasterScenes(str(tmp_path), unit='reflectance', **dict(given, stretch=False)).full_init()
    write(tmp_path / 'x_B04.tif', noise(24, 24) // 16)
    write(tmp_path / 'x_B04.tif', (noise(24, 24) // 16).astype('uint8'))
    with pytest.raises(RasterError, match='uint8 pixels, 0 to 255, which cannot be'):
        RasterScenes(str(tmp_path), unit='reflectance x 10000', **given)


def test_stretch_needs_statistics_and_the_command_line_drops_spaces(tmp_path):
    write(tmp_path / 'x_B04.tif', noise(24, 24))
    with pytest.raises(ConfigError, match=r'stretch=True\) needs stats'):
        RasterScenes(str(tmp_path), stretch=True)
    data = RasterScenes(str(tmp_path), patch=24, unit='reflectancex10000')
    assert data.source.unit == 'reflectance x 10000' and not data.stretch


def test_index_is_kept_and_made_anew_when_a_scene_is_added(tmp_path):
    write(tmp_path / 'a' / 'one_B04.tif', noise(24, 24))
    first = RasterScenes(str(tmp_path), patch=24, stretch=False)
    assert len(first) == 1 and (tmp_path / '.swimdiff').is_dir()
    again = RasterScenes(str(tmp_path), patch=24, stretch=False)
    again.source.build = lambda: pytest.fail('built twice')
    assert len(again) == 1
    write(tmp_path / 'a' / 'two_B04.tif', noise(24, 24), west=900_000)
    assert len(RasterScenes(str(tmp_path), patch=24, stretch=False)) == 2
    assert len(RasterScenes(str(tmp_path), patch=12, stretch=False)) == 8


def test_a_mended_scene_is_noticed(tmp_path):
    write(tmp_path / 'one_B04.tif', noise(24, 24))
    path = write(tmp_path / 'two_B04.tif', noise(24, 24), west=900_000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LayoutError, match=r'two_B04\.tif'):
        RasterScenes(str(tmp_path), patch=24, stretch=False).full_init()
    path.write_bytes(whole)
    assert len(RasterScenes(str(tmp_path), patch=24, stretch=False)) == 2


def test_a_file_replaced_while_it_is_indexed_is_read_anew(tmp_path, monkeypatch):
    path = write(tmp_path / 'one_B04.tif', noise(24, 24))
    later = path.read_bytes()
    real = raster_scenes_choice.open_scene

    def replaced_meanwhile(*args):
        scene = real(*args)
        path.write_bytes(later)
        return scene

    monkeypatch.setattr(raster_scenes_choice, 'open_scene', replaced_meanwhile)
    first = RasterScenes(str(tmp_path), patch=24, stretch=False)
    monkeypatch.setattr(raster_scenes_choice, 'open_scene', real)
    second = RasterScenes(str(tmp_path), patch=24, stretch=False)
    assert second.index.folder != first.index.folder
    third = RasterScenes(str(tmp_path), patch=24, stretch=False)
    assert third.index.folder == second.index.folder


# Everything that can be wrong with a scene


def spoil(tmp_path, what):
    """A good scene, and one beside it with the fault."""
    write_bands(tmp_path / 'good' / 'scene', scene_bands())
    path = tmp_path / 'worse' / 'scene_B04.tif'
    write_bands(tmp_path / 'worse' / 'scene', scene_bands(5))
    good = path.read_bytes()
    if what == 'missing band':
        path.unlink()
    elif what == 'truncated':
        path.write_bytes(good[: len(good) * 2 // 3])
    elif what == 'empty':
        path.write_bytes(b'')
    elif what == 'no georeference':
        write(path, noise(48, 48), epsg=None)
    elif what == 'rotated':
        write(path, noise(48, 48), transform=(600_000, 9, 4, 5_700_000, 4, -9))
    elif what == 'south-up':
        write(path, noise(48, 48), transform=(600_000, 10, 0, 5_700_000, 0, 10))
    elif what == 'degenerate':
        write(path, noise(48, 48), transform=(600_000, 0, 0, 5_700_000, 0, -10))
    elif what == 'two systems':
        write(path, noise(48, 48), epsg=32632)
    elif what == 'two types':
        write(path, noise(48, 48).astype('int16'))
    elif what == 'apart':
        write(path, noise(48, 48), west=700_000)
    elif what == 'not on Earth':
        write(path, noise(48, 48), epsg=4326, west=0, north=95.0, pixel=1e-4)
        for band in ('B01', 'B05'):
            path.with_name(f'scene_{band}.tif').unlink()


@pytest.mark.parametrize(
    ('what', 'message'),
    [
        ('missing band', r'worse/scene has no B04; it has B01, B05'),
        ('truncated', r'scene_B04\.tif cannot be read'),
        ('empty', r'scene_B04\.tif cannot be read.*empty file'),
        ('no georeference', r'scene_B04\.tif has no georeference'),
        ('rotated', r'scene_B04\.tif is not north-up: its geotransform is \(600000'),
        ('south-up', r'scene_B04\.tif is not north-up'),
        ('degenerate', r'scene_B04\.tif has no georeference'),
        ('two systems', r'in 2 coordinate system'),
        ('two types', r'of the types int16, uint16'),
        ('apart', r'do not cover the same ground'),
    ],
)
def test_a_scene_with_a_fault_is_named_or_left_out(tmp_path, what, message):
    spoil(tmp_path, what)
    options = dict(bands=['B04', 'B05', 'B01'], patch=24, stats='s2_l2a')
    with pytest.raises((LayoutError, RasterError), match=message):
        RasterScenes(str(tmp_path), **options).full_init()
    kept = RasterScenes(str(tmp_path), max_unreadable=0.5, **options)
    assert len(kept) == 4 and {kept[i]['location'].split('/')[0] for i in range(4)} == {'good'}


def test_place_not_on_earth(tmp_path):
    spoil(tmp_path, 'not on Earth')
    with pytest.raises((LayoutError, RasterError), match='no place on Earth'):
        RasterScenes(str(tmp_path), bands=['B04'], patch=24, stats='s2_l2a').full_init()


def test_damage_met_when_reading(tmp_path):
    """A file cut after it was indexed never gives grey."""
    path = write(tmp_path / 'x_B04.tif', noise(512, 512), options=('COMPRESS=DEFLATE', 'TILED=YES'))
    source = RasterScenesSource(str(tmp_path), patch=256, zeros_are_nodata=False)
    index = source.index
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(RasterError, match=r'x_B04\.tif'):
        for row in range(len(index)):
            source.read([row], ['B04'])
    path.unlink()
    other = RasterScenesSource.__new__(RasterScenesSource)
    other.__dict__.update(source.__dict__)
    with pytest.raises((LayoutError, RasterError)):
        for row in range(len(index)):
            other.read([row], ['B04'])


def test_folders_and_options_that_do_not_do(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r'does not exist.*\n.*Expected rasters'):
        RasterScenesSource(str(tmp_path / 'gone'))
    (tmp_path / 'readme.txt').write_text('x')
    with pytest.raises(LayoutError, match=r'holds no scene; found readme\.txt'):
        RasterScenesSource(str(tmp_path))
    write(tmp_path / 'x_B04.tif', noise(24, 24))
    with pytest.raises(LayoutError, match=r'No window of 25 pixels .* largest has 24 x 24'):
        RasterScenesSource(str(tmp_path), patch=25).build()
    write(tmp_path / 'copy' / 'x_B04_10m.tif', noise(24, 24))
    write(tmp_path / 'copy' / 'x_B4_10m.tif', noise(24, 24))
    with pytest.raises(LayoutError, match='two files each claim B04'):
        RasterScenesSource(str(tmp_path / 'copy'))
    for options, message in (
        (dict(windows='spiral'), "expected 'grid' or 'random'"),
        (dict(patch=8, patch_metres=80), 'Both patch and patch_metres'),
        (dict(patch=0), 'a size above 0'),
        (dict(min_valid=2), 'a share from 0 to 1'),
        (dict(min_clear=0.5), 'needs a cloud mask'),
        (dict(clouds='fog'), 'known by name are SCL, QA60'),
        (dict(clouds=dict(band='X')), 'expected values, bits or above'),
        (dict(clouds=dict(values=[1])), 'either band or file'),
        (dict(windows='random', patch=8, stride=4), 'cells that hold a patch'),
        (dict(unit='metres'), 'expected one of reflectance x 10000'),
        (dict(patch_metres=3), 'less than a pixel of 10 m'),
    ):
        with pytest.raises(ConfigError, match=message):
            RasterScenesSource(str(tmp_path), **options)

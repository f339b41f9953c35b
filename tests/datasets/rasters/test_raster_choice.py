"""Which rasters of a folder are scenes, whose bands they hold, and what is said of the others."""

import os
import re

import numpy as np
import pytest
from fixtures.rasters import noise, write, write_bands
from fixtures.tools import load_tool

from swimdiff.datasets import RasterScenes
from swimdiff.datasets.rasters import RasterScenesSource
from swimdiff.datasets.rasters.dates import find_date
from swimdiff.errors import BandError, ConfigError, LayoutError, RasterError, UnreadableSamplesError

RGB = ('B04', 'B03', 'B02')
STEP = 5000  # metres between scenes, so that each is a place of its own


def stack(seed, side=24):
    return np.stack([noise(side, side, 3 * seed + k) for k in range(3)])


def open_scenes(root, **options):
    options = dict(patch=24, stretch=False, index_cache=None) | options
    data = RasterScenes(str(root), **options)
    data.full_init()
    return data


def notes(data):
    return ' | '.join(data.index.about['notes'])


# Bands


def test_a_name_that_two_bands_of_a_file_have(tmp_path):
    array = stack(0)
    write(tmp_path / 'a.tif', array, names=('B04', 'B03', 'b4 (NIR)'))
    with pytest.raises(
        BandError, match=r'a\.tif: the bands 1 and 3 are both named B04\.'
    ) as caught:
        RasterScenesSource(str(tmp_path), ['B04'], patch=24)
    with pytest.raises(BandError, match='both named B04'):
        RasterScenesSource(str(tmp_path), patch=24)
    advice = re.search(r"file_bands=\{'B04': 1", str(caught.value))
    assert advice
    for number in (1, 3):
        source = RasterScenesSource(str(tmp_path), ['B04'], file_bands=dict(B04=number), patch=24)
        plane = source.read([0], ['B04'])[0][0]
        np.testing.assert_array_equal(plane, array[number - 1])
    # Nobody asks for the doubled one: what is asked for is clear.
    source = RasterScenesSource(str(tmp_path), ['B03'], patch=24)
    np.testing.assert_array_equal(source.read([0], ['B03'])[0][0], array[1])


@pytest.mark.parametrize(
    ('product', 'band', 'name', 'date'),
    [
        ('LE70350322008150EDC00', 'b3', 'TM_B3', '20080529'),
        ('LT05_L1TP_035032_20080614_20200829_02_T1', 'B3', 'TM_B3', '20080614'),
        ('LC08_L2SP_195028_20200713_20200912_02_T1_SR', 'B4', 'OLI_B4', '20200713'),
        ('HLS.L30.T18TYN.2022015T153249.v2.0', 'B04', 'OLI_B4', '20220115'),
        ('HLS.S30.T18TYN.2022015T153249.v2.0', 'B04', 'B04', '20220115'),
        ('MOD09GA.A2020161.h18v04.006', 'b01', 'MODIS_B1', '20200609'),
        ('T36QZH_20200713T075611', 'B4', 'B04', '20200713'),
    ],
)
def test_a_band_name_belongs_to_a_sensor(tmp_path, product, band, name, date):
    """By the file, by a folder above it, and by the description in the file."""
    array = noise(24, 24)
    write(tmp_path / 'file' / f'{product}_{band}.tif', array)
    write(tmp_path / 'folder' / product / f'{band}.tif', array)
    write(tmp_path / 'inside' / f'{product}.tif', array, names=(band,))
    for layout in ('file', 'folder', 'inside'):
        source = RasterScenesSource(str(tmp_path / layout), patch=24)
        assert source.bands == (name,)
        assert source.date(source.path(0)) == date
        np.testing.assert_array_equal(source.read([0], [name])[0][0], array)


def test_another_sensor_where_sentinel2_is_asked_for(tmp_path):
    write(tmp_path / 'LE70350322008150EDC00_b3.tif', noise(24, 24))
    with pytest.raises(
        LayoutError, match='no B03 of Sentinel-2: by its name it is of Landsat'
    ) as e:
        RasterScenesSource(str(tmp_path), ['B03'], patch=24)
    # Both ways out that the message names.
    bands = re.search(r'bands=(\[.*?\]);', str(e.value))[1]
    assert RasterScenesSource(str(tmp_path), eval(bands), patch=24).bands == ('TM_B3',)
    assert RasterScenesSource(str(tmp_path), ['B03'], sensor='Sentinel-2', patch=24).bands == (
        'B03',
    )
    # The other way round: the name says nothing, the config does.
    write(tmp_path / 'plain' / 'scene_b3.tif', noise(24, 24))
    source = RasterScenesSource(str(tmp_path / 'plain'), sensor='TM', patch=24)
    assert source.bands == ('TM_B3',)
    with pytest.raises(ConfigError, match="sensor='ETM': expected one of Sentinel-2, MSS, TM"):
        RasterScenesSource(str(tmp_path), sensor='ETM')


@pytest.mark.parametrize(
    ('name', 'date'),
    [
        ('LT50350322008366PAC01_stack', '20081231'),
        ('LT50350322009366PAC01', ''),  # no leap year
        ('scene_2008-05-29', '20080529'),
        ('S2A_MSIL1C_20200713T075611_N0209_R135_T36QZH_20200714T101410', '20200713'),
        ('tile_2008367', ''),
        ('tile_1234567', ''),
    ],
)
def test_dates_in_names(name, date):
    assert find_date(name) == date


# Rasters beside band files


def test_scenes_beside_band_files_are_scenes(tmp_path):
    for number in range(3):
        array = stack(number, 48)
        write(tmp_path / f'scene{number}.tif', array, 600_000 + STEP * number, names=RGB)
    assert len(open_scenes(tmp_path, bands=RGB)) == 12
    for band in RGB:
        write(tmp_path / f'copy_{band}.tif', noise(24, 24, 90), 700_000)
    data = open_scenes(tmp_path, bands=RGB)
    assert len(data) == 13 and notes(data) == ''
    planes = data.source.read([0], ['B04'])[0]
    assert planes[0].shape == (24, 24)
    # Without bands= those of the band files are asked for, and the others have them too.
    assert len(open_scenes(tmp_path)) == 13


def test_rasters_that_are_not_used_are_counted_and_named(tmp_path):
    bands = dict(zip(('B04', 'B05'), (noise(24, 24), noise(12, 12)), strict=True))
    write_bands(tmp_path / 'x', bands)
    write(tmp_path / 'preview.tif', noise(6, 6))
    write(tmp_path / 'small.tif', (stack(1) // 16).astype('uint8'), names=RGB)
    (tmp_path / 'zz_torn.tif').write_bytes(b'II')
    data = open_scenes(tmp_path, bands=['B04'])
    assert len(data) == 1
    assert re.search(r'3 rasters are not used.*preview\.tif: its bands are not des', notes(data))
    # Followed: what is excluded is not spoken of.
    patterns = ['preview.tif', 'small.tif', 'zz*']
    assert re.search(re.escape(f'exclude=[{patterns[0]!r}]'), notes(data))
    assert notes(open_scenes(tmp_path, bands=['B04'], exclude=patterns)) == ''


def test_a_stack_of_the_band_files_beside_it_is_not_another_date(tmp_path):
    array = stack(0)
    for band, plane in zip(RGB, array, strict=True):
        write(tmp_path / f'x_{band}.tif', plane)
    write(tmp_path / 'stacked.tif', array, names=RGB)
    data = open_scenes(tmp_path, bands=RGB)
    assert len(data) == 1 and 'stacked.tif: it holds the same pixels as x' in notes(data)
    write(tmp_path / 'stacked.tif', stack(5), names=RGB)  # other pixels: another date
    assert len(open_scenes(tmp_path, bands=RGB)) == 2


def test_links_are_no_dates(tmp_path):
    for band in RGB:
        path = write(tmp_path / f'x_{band}.tif', noise(24, 24))
        os.symlink(path.name, tmp_path / f'y_{band}.tif')
        os.link(path, tmp_path / f'z_{band}.tif')
    data = open_scenes(tmp_path, bands=RGB)
    assert len(data) == 1
    assert re.search(r'2 scenes are links.*/y to .*/x: not used', notes(data))


# Shares, types, and scenes without a patch


def test_scenes_are_counted_as_scenes(tmp_path):
    """15 of 16 are gone, however many windows the one that is left has."""
    for number in range(16):
        path = write(tmp_path / f's{number:02d}_B04.tif', noise(120, 120), 600_000 + STEP * number)
        if number:
            path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(UnreadableSamplesError, match='15 of 16 scenes cannot be used, more than'):
        open_scenes(tmp_path, max_unreadable=0.9)
    assert len(open_scenes(tmp_path, max_unreadable=0.94)) == 25


def test_one_odd_type_does_not_decide(tmp_path):
    write(tmp_path / 'a_B04.tif', noise(24, 24).astype('float32'))
    for number in range(5):
        write(tmp_path / f'b{number}_B04.tif', noise(24, 24), 700_000 + STEP * number)
    message = r'/a holds float32 pixels\. Expected uint16, as most of .*/b0 among them'
    with pytest.raises(LayoutError, match=message) as caught:
        open_scenes(tmp_path)
    pattern = eval(re.search(r'exclude=(\[.*?\'\])', str(caught.value))[1])
    data = open_scenes(tmp_path, exclude=pattern)
    assert len(data) == 5 and data.source.dtype == 'uint16'


def test_scenes_that_give_no_patch_are_named(tmp_path):
    write(tmp_path / 'a_B04.tif', noise(24, 24))
    write(tmp_path / 'b_B04.tif', noise(20, 20), 700_000)
    write(tmp_path / 'c_B04.tif', np.zeros((24, 24), 'uint16'), 800_000)
    data = open_scenes(tmp_path)
    assert len(data) == 1
    found = re.search(r'2 of 3 scenes give no patch: \S*/b \((.*?)\), \S*/c \((.*?)\)', notes(data))
    assert found.groups() == (
        'no window of 24 pixels fits into it',
        'less than 95% data in all of its 1 windows',
    )


# Names


def test_names_that_are_not_utf8_and_the_home_folder(tmp_path, monkeypatch, capfd):
    scenes = tmp_path / 'scenes'
    for name in (b'caf\xe9', b'small\xe9'):
        array = noise(24 if name[0] == ord('c') else 12, 24)
        path = write(scenes / 'x.tif', array, 600_000 + STEP * len(name))
        os.rename(path, os.path.join(os.fsencode(scenes), name + b'_B04.tif'))
    monkeypatch.setenv('HOME', str(tmp_path))
    load = [dict(type='LoadPatch')]
    data = RasterScenes('~/scenes', patch=24, stretch=False, pipeline=load)
    np.testing.assert_array_equal(data[0]['img'][..., 0], noise(24, 24))
    assert 'no patch' in notes(data)
    pack = load_tool('dataset_converters/pack.py')
    pack.main(
        [
            '~/scenes',
            str(tmp_path / 'pack'),
            '--type',
            'RasterScenes',
            '--dataset-options',
            'patch=24',
        ]
    )
    packed = RasterScenes('~/pack', patch=24, stretch=False, pipeline=load)
    np.testing.assert_array_equal(packed[0]['img'], data[0]['img'])
    assert packed[0]['location'] == data[0]['location']
    (scenes / 'torn_B04.tif').write_bytes(b'')
    os.rename(scenes / 'torn_B04.tif', os.path.join(os.fsencode(scenes), b'\xe9_B04.tif'))
    with pytest.raises((LayoutError, RasterError), match=r'\\udce9_B04\.tif cannot be read'):
        RasterScenes('~/scenes', patch=24, stretch=False).full_init()
    assert 'UnicodeEncodeError' not in capfd.readouterr().err


@pytest.mark.parametrize('side', ['east', 'south'])
def test_a_band_file_that_ends_early_is_counted_and_named(tmp_path, side):
    """Two rows of windows become one and a half: the half is said."""
    for number in range(2):
        planes = {'B04': noise(48, 48, number), 'B05': noise(24, 24, 9 + number)}
        if number:
            kept = (slice(None), slice(0, 21)) if side == 'east' else (slice(0, 21), slice(None))
            planes['B05'] = planes['B05'][kept]
        write_bands(tmp_path / f's{number}' / 'T33UUP_20170610T101031', planes, west=STEP * number)
    data = open_scenes(tmp_path, bands=['B04', 'B05'])
    assert len(data) == 4 + 2
    said = notes(data)
    assert '1 of 2 scenes have bands that do not cover the same ground' in said
    assert '2 are lost' in said
    assert '_B05.tif (ends 3 of its pixels early, 2 windows)' in said and 's1' in said
    assert 'bands that do not cover' not in notes(open_scenes(tmp_path, bands=['B04']))


def test_half_a_scene_without_a_band_counts_all_windows(tmp_path):
    """More than the cells at the edge: four of eight columns are lost."""
    stem = tmp_path / 'a' / 'T33UUP_20170610T101031'
    write_bands(stem, {'B04': noise(24, 192, 1), 'B05': noise(12, 47, 2)})
    data = open_scenes(tmp_path, bands=['B04', 'B05'])
    assert len(data) == 3
    assert '5 are lost' in notes(data)

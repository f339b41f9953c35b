"""Numbers and places that STAC items declare are heeded once, or refused; never read wrongly."""

import json

import numpy as np
import pytest
from fixtures.range_server import serve_folder
from fixtures.rasters import NORTH, WEST, write
from osgeo import gdal

from swimdiff.bands import get_stats
from swimdiff.datasets.rasters import RasterOptions
from swimdiff.errors import LayoutError, RasterError
from swimdiff.inference.embedding.scenes import list_scenes
from swimdiff.inference.inputs import RasterDate
from swimdiff.inference.opening import open_date
from swimdiff.inference.remote import prepare_input

BANDS = ('B04', 'B03', 'B02')
STATS = get_stats('s2_l2a')
COG = 'image/tiff; application=geotiff; profile=cloud-optimized'
#: As Earth Search writes it, whether the offset was taken off the pixels or not.
SCALING = {'raster:bands': [dict(data_type='uint16', nodata=0, scale=0.0001, offset=-0.1)]}
ITEM = 'S2A_MSIL2A_20220901T102031_R065_T33UUU_20220901T180000'


def _numbers(low=1100):
    planes = np.random.default_rng(0).integers(low, 4000, (3, 64, 64)).astype(np.uint16)
    planes[:, :2] = 0  # no data, as at the edges of a product
    return planes


@pytest.fixture
def far(tmp_path):
    """A server of a folder; GDAL's memory of what it held is emptied."""
    gdal.VSICurlClearCache()
    (tmp_path / 'far').mkdir()
    with serve_folder(tmp_path / 'far') as served:
        yield served
    gdal.VSICurlClearCache()


def _serve(far, planes, properties=None, fields=None, name=ITEM, **more):
    """Write the files of the bands and an item; returns its address."""
    assets = {}
    for band, plane in zip(BANDS, planes, strict=True):
        write(far.folder / f'{band}.tif', plane, **more)
        assets[band] = dict(href=f'{band}.tif', type=COG, roles=['data'])
        assets[band] |= {'eo:bands': [dict(name=band)]} | (fields or {})
    item = dict(type='Feature', stac_version='1.0.0', id=name, geometry=None, links=[])
    item |= dict(properties=dict(datetime='2022-09-01T10:20:31Z', **(properties or {})))
    (far.folder / 'item.json').write_text(json.dumps(item | dict(assets=assets)))
    return f'{far.url}/item.json'


def _read(path, offset=None):
    date = open_date(path, BANDS, STATS, offset=offset)
    images, valid = RasterDate(date, date.grid, STATS).read_rows(0, 64)
    return date, images, valid


def _stretch(planes, offset):
    """Stretch as in training, by a loop over the bands."""
    images = []
    for band, plane in zip(BANDS, planes.astype(float), strict=True):
        low, high = (STATS.select(column, [band])[0] for column in ('low', 'high'))
        image = np.clip((np.maximum(plane - offset, 0) - low) / (high - low), 0, 1) * 255
        images.append(np.where(plane > 0, image, 0).astype(np.uint8))
    return np.stack(images)


OFFSETS = {
    'nothing said': ({}, {}, ITEM, 0),
    'declared': ({}, SCALING, ITEM, 1000),
    'declared, and the name says it': ({}, SCALING, ITEM.replace('_R065', '_N0511_R065'), 1000),
    'in the manner of STAC 1.1': ({}, {'raster:scale': 1e-4, 'raster:offset': -0.1}, ITEM, 1000),
    'taken off': ({'earthsearch:boa_offset_applied': True}, SCALING, ITEM, 0),
    'taken off, but named': (
        {'earthsearch:boa_offset_applied': True, 's2:processing_baseline': '05.11'},
        SCALING,
        ITEM.replace('_R065', '_N0511_R065'),
        0,
    ),
    'not taken off': ({'earthsearch:boa_offset_applied': False}, SCALING, ITEM, 1000),
    'baseline alone': ({'s2:processing_baseline': '04.00'}, {}, ITEM, 1000),
    'older baseline': ({'s2:processing_baseline': '03.01'}, {}, ITEM, 0),
    'declared as none': (
        {'s2:processing_baseline': '05.11'},
        {'raster:bands': [dict(scale=0.0001, offset=0)]},
        ITEM,
        0,
    ),
}


@pytest.mark.parametrize('case', OFFSETS)
def test_the_offset_is_taken_off_once(far, tmp_path, case):
    properties, fields, name, expected = OFFSETS[case]
    planes = _numbers()
    path = prepare_input(_serve(far, planes, properties, fields, name), BANDS, tmp_path)
    date, images, valid = _read(path)
    assert date.scene.offset == expected
    np.testing.assert_array_equal(images, _stretch(planes, expected))
    assert not valid[:2].any() and valid[2:].all()


def test_floating_point_numbers_have_their_offset_taken_off_too(far, tmp_path):
    planes = _numbers().astype(np.float32)
    path = prepare_input(_serve(far, planes, {}, SCALING), BANDS, tmp_path)
    _, images, _ = _read(path)
    np.testing.assert_allclose(images.astype(int), _stretch(planes, 1000), atol=1)


def test_an_offset_that_was_taken_off_before_is_noticed(far, tmp_path):
    """Catalogues state it of pixels without it; the advice of the message is taken."""
    planes = _numbers(low=1)
    planes[0] //= 3
    path = prepare_input(_serve(far, planes, {}, SCALING), BANDS, tmp_path)
    with pytest.raises(RasterError, match=r'% of those looked at of B04 are smaller.*--offset 0'):
        _read(path)
    for offset in (0, 1000):
        np.testing.assert_array_equal(_read(path, offset)[1], _stretch(planes, offset))


def test_numbers_of_another_scale_are_refused(far, tmp_path):
    """Landsat's surface reflectance, which would be read as black."""
    landsat = {'raster:bands': [dict(scale=2.75e-5, offset=-0.2)]}
    path = prepare_input(_serve(far, _numbers(), {}, landsat), BANDS, tmp_path)
    with pytest.raises(RasterError, match=r'number x 2.75e-05 \+ -0.2. Expected a scale of 0.0001'):
        _read(path)


def test_the_place_of_files_that_have_none_is_that_of_the_item(far, tmp_path):
    stated = {'proj:transform': [10, 0, WEST, 0, -10, NORTH], 'proj:shape': [64, 64]}
    address = _serve(far, _numbers(), {'proj:code': 'EPSG:32633'}, stated, epsg=None)
    date, images, _ = _read(prepare_input(address, BANDS, tmp_path))
    assert (date.grid.west, date.grid.north, date.grid.dx) == (WEST, NORTH, 10)
    assert 'zone 33N' in date.grid.system
    np.testing.assert_array_equal(images, _stretch(_numbers(), 0))


def test_places_that_contradict_each_other_are_refused(far, tmp_path):
    address = _serve(far, _numbers(), {'proj:epsg': 32632})
    with pytest.raises(RasterError, match=r'B04.tif is in .* zone 33N, and the item states EPSG:3'):
        prepare_input(address, BANDS, tmp_path)
    address = _serve(far, _numbers())
    write(far.folder / 'B03.tif', _numbers()[1], epsg=32632)
    gdal.VSICurlClearCache()
    with pytest.raises(RasterError, match=r'several coordinate systems: .* 32N, .* 33N.*gdalwarp'):
        prepare_input(address, BANDS, tmp_path)


@pytest.mark.parametrize('name', ['https://host/item.json', 's3://bucket/scene.tif', 'item.json'])
def test_embeddings_refuse_what_is_not_on_a_disk(name):
    with pytest.raises(LayoutError, match='are read for maps, not for embeddings'):
        list_scenes([name], BANDS, RasterOptions())

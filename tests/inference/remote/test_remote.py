"""Rasters and items by address, from a server that drops, stalls, refuses and loses."""

import json

import numpy as np
import pytest
from fixtures.range_server import serve_folder
from fixtures.rasters import noise, write
from osgeo import gdal

from swimdiff.datasets.geo import network
from swimdiff.datasets.geo.network import call_again
from swimdiff.errors import BandError, ConfigError, LayoutError, RasterError
from swimdiff.inference.remote import describe_remote, prepare_input

BANDS = ('B02', 'B03', 'B04')
PIXELS = np.stack([noise(300, 320, seed) for seed in range(3)])
_QUICK = dict(GDAL_HTTP_TIMEOUT='1', GDAL_HTTP_MAX_RETRY='2', GDAL_HTTP_RETRY_DELAY='0.1')


@pytest.fixture
def archive(tmp_path):
    """A server of ``scene.tif``, asked with short limits; GDAL is as before afterwards."""
    options = ('TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'COMPRESS=DEFLATE')
    write(tmp_path / 'far' / 'scene.tif', PIXELS, names=BANDS, options=options)
    before = {name: gdal.GetConfigOption(name) for name in network.NETWORK_OPTIONS}
    for name, value in _QUICK.items():
        gdal.SetConfigOption(name, value)
    gdal.VSICurlClearCache()
    gdal.PushErrorHandler('CPLQuietErrorHandler')
    with serve_folder(tmp_path / 'far') as served:
        yield served
    gdal.PopErrorHandler()
    for name, value in before.items():
        gdal.SetConfigOption(name, value)
    gdal.VSICurlClearCache()


def _read(path):
    return call_again(gdal.OpenEx(path).ReadAsArray)


def test_only_ranges_are_fetched_and_bands_keep_their_names(archive, tmp_path):
    path = prepare_input(f'{archive.url}/scene.tif', BANDS, tmp_path)
    assert path == str(tmp_path / 'scene.vrt')
    opened = gdal.OpenEx(path)
    assert [opened.GetRasterBand(n).GetDescription() for n in (1, 2, 3)] == list(BANDS)
    assert (
        opened.GetGeoTransform() == gdal.Open(str(archive.folder / 'scene.tif')).GetGeoTransform()
    )
    block = opened.ReadAsArray(0, 0, 64, 64)
    assert (block == PIXELS[:, :64, :64]).all()
    fetched = [span for method, _, span in archive.seen if method == 'GET']
    assert fetched and all(fetched)
    size = (archive.folder / 'scene.tif').stat().st_size
    spans = [span.removeprefix('bytes=').split('-') for span in fetched]
    assert sum(int(end) - int(start) for start, end in spans) < size / 2
    assert (_read(path) == PIXELS).all()


def test_connections_that_break_off_are_made_again(archive, tmp_path):
    path = prepare_input(f'{archive.url}/scene.tif', BANDS, tmp_path)
    archive.cut = 2
    assert (_read(path) == PIXELS).all()
    assert archive.cut == 0


def test_a_broken_connection_on_opening(archive, tmp_path):
    archive.cut = 1
    assert (_read(prepare_input(f'{archive.url}/scene.tif', BANDS, tmp_path)) == PIXELS).all()


def test_busy_and_slow_servers_are_asked_again(archive, tmp_path):
    archive.statuses = [503, 503]
    archive.stalls = [0, 0, 0, 3]
    assert (_read(prepare_input(f'{archive.url}/scene.tif', BANDS, tmp_path)) == PIXELS).all()
    assert not archive.statuses and not archive.stalls


def test_what_a_server_never_delivers_is_said(archive, tmp_path):
    with pytest.raises(
        RasterError, match=r'none\.tif\?\.\.\. cannot be read: the server has no such file'
    ):
        prepare_input(f'{archive.url}/none.tif?sig=secret', BANDS, tmp_path)
    assert len(archive.seen) <= 3  # 404 is final
    archive.statuses = [403] * 9
    with pytest.raises(RasterError, match=r'HTTP 403.*credentials') as caught:
        prepare_input(f'{archive.url}/scene.tif?sig=secret', BANDS, tmp_path)
    assert 'secret' not in str(caught.value)
    archive.statuses, archive.stalls = [], [9] * 40
    with pytest.raises(RasterError, match='did not deliver it in 3 tries of at most 1 s'):
        prepare_input(f'{archive.url}/scene.tif?x=1', BANDS, tmp_path)
    archive.stalls = []
    (archive.folder / 'text.tif').write_text('<html>no raster</html>')
    with pytest.raises(RasterError, match='Expected a raster that GDAL reads'):
        prepare_input(f'{archive.url}/text.tif', BANDS, tmp_path)


def test_the_state_of_a_file_follows_its_etag(archive):
    first = describe_remote(f'{archive.url}/scene.tif')
    assert first.startswith(str((archive.folder / 'scene.tif').stat().st_size))
    assert describe_remote(f'{archive.url}/scene.tif') == first
    archive.etag = '"two"'
    assert describe_remote(f'{archive.url}/scene.tif') != first
    with pytest.raises(RasterError, match='no such file'):
        describe_remote(f'{archive.url}/none.tif')


def _item(assets, version='1.0.0'):
    return dict(
        type='Feature',
        stac_version=version,
        id='S2A_33UUU_20170216',
        properties=dict(datetime='2017-02-16T10:21:01Z'),
        geometry=None,
        links=[],
        assets=assets,
    )


COG = 'image/tiff; application=geotiff; profile=cloud-optimized'


def _asset(href, name, common=None, kind=COG, field='eo:bands', **more):
    common_field = 'common_name' if field == 'eo:bands' else 'eo:common_name'
    return dict(href=href, type=kind, roles=['data'], **more) | {
        field: [{'name': name} | ({common_field: common} if common else {})]
    }


@pytest.mark.parametrize(('field', 'version'), [('eo:bands', '1.0.0'), ('bands', '1.1.0')])
def test_bands_of_an_item_by_name_common_name_and_key(archive, tmp_path, field, version):
    for number, name in enumerate(('B04', 'B08', 'B11')):
        pixel = 20 if name == 'B11' else 10
        side = 150 if name == 'B11' else 300
        write(archive.folder / 'item' / f'{name}.tif', noise(side, side, number), pixel=pixel)
    write(archive.folder / 'item' / 'red_60m.tif', noise(50, 50), pixel=60)
    assets = {
        # Finer pixels and the cloud-optimised file are chosen; a picture is never.
        'red-60': _asset('./red_60m.tif', 'B04', 'red', field=field, gsd=60),
        'red-jp2': _asset('none.jp2', 'B04', 'red', 'image/jp2', field, gsd=10),
        'red': _asset('./B04.tif', 'B04', 'red', field=field, gsd=10),
        'thumbnail': dict(href='./none.jpg', roles=['thumbnail'], type='image/jpeg'),
        'one': _asset(f'{archive.url}/item/B08.tif', 'nir', 'nir', field=field),
        'swir16': dict(href='B11.tif', type=COG, roles=['data']),
    }
    (archive.folder / 'item' / 'item.json').write_text(json.dumps(_item(assets, version)))
    archive.cut = 1
    path = prepare_input(f'{archive.url}/item/item.json', ('B04', 'B08', 'B11'), tmp_path)
    assert path.endswith('S2A_33UUU_20170216.vrt')
    opened = gdal.OpenEx(path)
    names = [opened.GetRasterBand(n).GetDescription() for n in (1, 2, 3)]
    assert names == ['B04', 'B08', 'B11']
    assert (opened.RasterXSize, opened.GetGeoTransform()[1]) == (300, 10)
    found = opened.ReadAsArray()
    assert (found[0] == noise(300, 300, 0)).all() and (found[1] == noise(300, 300, 1)).all()
    with pytest.raises(BandError, match=r'no band B02.*It has: b04, nir, swir16'):
        prepare_input(f'{archive.url}/item/item.json', ('B02', 'B04'), tmp_path)
    # The same item saved on a disk, with files of several bands.
    write(tmp_path / 'own' / 'all.tif', PIXELS)
    several = _asset('all.tif', 'B02', 'blue', field=field)
    several[field] += [{'name': 'B03'}, {'name': 'B04'}]
    saved = tmp_path / 'own' / 'item.json'
    saved.write_text(json.dumps(_item(dict(data=several), version)))
    found = gdal.OpenEx(prepare_input(str(saved), ('B04', 'B02'), tmp_path)).ReadAsArray()
    assert (found == PIXELS[[2, 0]]).all()


def test_what_is_no_item_is_said(archive, tmp_path):
    with pytest.raises(RasterError, match='the server has no such file'):
        prepare_input(f'{archive.url}/none.json', BANDS, tmp_path)
    with pytest.raises(LayoutError, match=r'none\.json is missing'):
        prepare_input(str(tmp_path / 'none.json'), BANDS, tmp_path)
    path = tmp_path / 'found.json'
    path.write_text(json.dumps(dict(type='FeatureCollection', features=[])))
    with pytest.raises(ConfigError, match=r'expected one STAC item.*found FeatureCollection'):
        prepare_input(str(path), BANDS, tmp_path)
    path.write_text('{"type": "Feature", "id":')
    with pytest.raises(ConfigError, match='is no STAC item: JSONDecodeError'):
        prepare_input(str(path), BANDS, tmp_path)

"""The command line of maps: products, lists, addresses and items, end to end with a real model."""

import csv
import json

import geopandas
import numpy as np
import pytest
from fixtures.map_pairs import read_raster, write_pair
from fixtures.range_server import serve_folder
from fixtures.tools import load_tool
from osgeo import gdal
from scipy import ndimage

from swimdiff.datasets.geo import network


@pytest.fixture
def call(change_files):
    """Run ``tools/predict.py change CONFIG CHECKPOINT ...`` in this process."""
    config, checkpoint = change_files
    main = load_tool('predict.py').main

    def run(*rest):
        sizes = ('--size', '128', '--margin', '16', '--threshold', '0.35')
        main(['change', str(config), str(checkpoint), *map(str, rest), *sizes])

    return run


def _exit_code(call, *rest):
    with pytest.raises(SystemExit) as caught:
        call(*rest)
    return caught.value.code


def test_products_lie_beside_the_map_and_agree_with_it(call, tmp_path, capsys):
    before, after = write_pair(tmp_path)
    out = tmp_path / 'maps' / 'change.tif'
    products = ('--polygons', 'gpkg', 'parquet', '--minimum-area', '300', '--quicklook', '--page')
    products += ('--qgis-style',)
    call(before, after, '--out', out, '--probabilities', 'float32', *products)
    said = capsys.readouterr().out
    names = ('change.tif', 'change_probability.tif', 'change.gpkg', 'change.parquet')
    names += ('change.png', 'change.html', 'change.qml')
    assert all(name in said for name in names)
    assert {path.name for path in out.parent.iterdir()} >= set(names)

    values, chances = read_raster(out)[0], read_raster(out.with_name(names[1]))[0]
    labels, count = ndimage.label(values == 1)
    numbers = np.arange(1, count + 1)
    pixels = ndimage.sum_labels(labels > 0, labels, numbers)
    means = ndimage.mean(chances.astype(float), labels, numbers)
    table = geopandas.read_file(out.with_suffix('.gpkg'))
    assert set(table['class']) == {'changed'}
    # 100 m2 in the plane each; on the ground up to 0.1 % more or less there.
    assert sorted(table['pixels']) == sorted(pixels[pixels > 3].astype(int))
    assert np.allclose(sorted(table['probability']), sorted(means[pixels > 3]), atol=2e-4)
    page = out.with_suffix('.html').read_text()
    assert '>Before</option>' in page and '>After</option>' in page
    assert not list(out.parent.glob('.*'))


def test_files_that_are_there_are_kept(call, tmp_path):
    before, after = write_pair(tmp_path)
    (tmp_path / 'change.html').write_text('mine')
    message = _exit_code(call, before, after, '--out', tmp_path / 'change.tif', '--page')
    assert 'change.html is there already' in message
    assert not (tmp_path / 'change.tif').exists()


@pytest.mark.parametrize(
    ('rest', 'message'),
    [
        (['a.tif', '--out', 'x.tif'], 'AFTER missing'),
        (['a.tif', 'b.tif'], '--out missing'),
        (['a.tif', 'b.tif', '--out', 'x.tif', '--shard', '0/2'], '--shard is for many scenes'),
        (['a.tif', 'b.tif', '--list', 'l.csv'], 'name one scene, or --list FILE, not both'),
        (['--list', 'l.csv', '--out', 'x.tif'], 'expected the folder of the maps'),
        (['--list', 'l.csv', '--ray', '--shard', '0/2'], '--ray shares the scenes out itself'),
        (['--list', 'l.csv', '--cloud-mask', 'c.tif'], 'column cloud_masks'),
    ],
)
def test_command_lines_that_cannot_be(call, rest, message, capsys):
    assert _exit_code(call, *rest) == 2
    assert message in capsys.readouterr().err


def test_a_list_in_shares_with_a_failure(call, tmp_path, capsys, monkeypatch):
    before, after = write_pair(tmp_path, (140, 150))
    path = tmp_path / 'scenes.csv'
    rows = [(before, after), (before, 'none.tif'), (after, before)]
    with path.open('w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['before', 'after', 'out'])
        table.writerows([*row, f'{number}.tif'] for number, row in enumerate(rows))
    arguments = ('--list', path, '--out', tmp_path / 'maps', '--polygons', 'geojson')
    monkeypatch.setenv('SLURM_ARRAY_TASK_ID', '1')
    monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', '2')
    assert _exit_code(call, *arguments) == 1
    assert 'none.tif is missing' in capsys.readouterr().out
    monkeypatch.setenv('SLURM_ARRAY_TASK_ID', '0')
    assert _exit_code(call, *arguments) == 0
    results = tmp_path / 'scenes.results.jsonl'
    entries = [json.loads(line) for line in results.read_text().splitlines()]
    assert [entry['status'] for entry in entries] == ['failed', 'finished', 'finished']
    assert set(entries[1]['files']) == {f'{tmp_path}/maps/0.{end}' for end in ('tif', 'geojson')}
    assert sum(entries[1]['about']['pixels'].values()) == 140 * 150
    # All at once: two are skipped, the third works once its file is there.
    monkeypatch.delenv('SLURM_ARRAY_TASK_ID')
    write_pair(tmp_path / 'late', (140, 150))
    (tmp_path / 'late' / 'date1.tif').rename(tmp_path / 'none.tif')
    assert _exit_code(call, *arguments) == 0
    assert '1 finished, 2 were finished before, 0 failed' in capsys.readouterr().out


def test_pairs_by_address_and_from_a_catalogue_equal_those_on_disk(call, tmp_path, monkeypatch):
    before, after = write_pair(tmp_path / 'far', (140, 150))
    call(before, after, '--out', tmp_path / 'disk.tif')
    expected = read_raster(tmp_path / 'disk.tif')
    bands = [{'name': name} for name in ('B02', 'B03', 'B04')]
    item = dict(
        type='Feature',
        stac_version='1.0.0',
        id='date1',
        properties=dict(datetime='2020-01-01T00:00:00Z'),
        geometry=None,
        links=[],
        assets=dict(all={'href': 'date1.tif', 'roles': ['data'], 'eo:bands': bands}),
    )
    (tmp_path / 'far' / 'date1.json').write_text(json.dumps(item))
    monkeypatch.setitem(network.NETWORK_OPTIONS, 'GDAL_HTTP_RETRY_DELAY', '0.1')
    monkeypatch.setitem(network.NETWORK_OPTIONS, 'GDAL_HTTP_MAX_RETRY', '2')
    options = {name: gdal.GetConfigOption(name) for name in network.NETWORK_OPTIONS}
    gdal.VSICurlClearCache()
    try:
        with serve_folder(tmp_path / 'far') as archive:
            # Two connections break off while pixels are read, one server is busy for a while.
            archive.after, archive.cut = 2, 2
            inputs = f'{archive.url}/date0.tif', f'{archive.url}/date1.json'
            call(*inputs, '--out', tmp_path / 'web.tif', '--page')
            assert archive.cut == 0
            message = _exit_code(call, f'{archive.url}/no.tif', after, '--out', tmp_path / 'x.tif')
            assert 'the server has no such file (HTTP 404)' in message
    finally:
        for name, value in options.items():
            gdal.SetConfigOption(name, value)
    assert (read_raster(tmp_path / 'web.tif') == expected).all()
    assert (tmp_path / 'web.html').is_file()

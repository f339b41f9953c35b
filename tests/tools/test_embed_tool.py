import json

import geopandas
import numpy as np
import pytest
from fixtures.embeddings import write_backbone, write_scene
from fixtures.rasters import write
from fixtures.tools import load_tool
from osgeo import gdal
from PIL import Image

from swimdiff.inference.embedding import EmbeddingTable

EMBED, SEARCH = load_tool('embed.py'), load_tool('search.py')
SETTINGS = ('--patch', '32', '--device', 'cpu', '--threads', '1')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkpoint and two scenes; the second has one patch of the first at another place."""
    monkeypatch.chdir(tmp_path)
    write_backbone(tmp_path / 'backbone.pth')
    first = write_scene(tmp_path / 'scenes/a_20240105.tif')

    def copy_patch(pixels):
        pixels[:, 64:96, :32] = first[:, 32:64, 64:96]
        return pixels

    write_scene(tmp_path / 'scenes/b_20240601.tif', 1, change=copy_patch, west=700_000)
    return tmp_path


def test_from_scenes_to_neighbours_and_maps(folder, capsys):
    maps = ('--raster', 'pca.tif', '--components', '2', '--clusters', '3')
    command = ['backbone.pth', 'scenes/*.tif', '--out', 'e.parquet', *SETTINGS, *maps]
    assert EMBED.main(command) == 0
    told = capsys.readouterr().out
    assert '2 scenes embedded, 0 were finished before, 0 failed' in told
    assert 'e.parquet: 24 vectors of 64 numbers, 2 scenes' in told
    for name in ('pca_a_20240105.tif', 'e_clusters3_b_20240601.tif'):
        assert gdal.Open(name).RasterXSize == 4
    assert EMBED.main([*command, '--clusters', '4', '--map', 'm.tif']) == 0
    assert '0 scenes embedded, 2 were finished before' in capsys.readouterr().out

    frame = geopandas.read_parquet('e.parquet')
    place = frame[(frame.row == 1) & (frame.col == 2)].geometry.iloc[0].centroid
    lonlat = ['--like', str(place.x), str(place.y)]
    SEARCH.main(['e.parquet', *lonlat, '-n', '3', '--out', 'found/s'])
    told = capsys.readouterr().out
    assert '1  1.0000  scenes/b_20240601.tif  2024-06-01  row 2 col 0' in told
    features = json.loads((folder / 'found/s.geojson').read_text())['features']
    assert [feature['properties']['rank'] for feature in features] == [0, 1, 2, 3]
    sheet = np.asarray(Image.open('found/s.png'))
    # The patch searched for and the same one found, side by side, below the red frame.
    first, second = (sheet[20:150, left + 10 : left + 140] for left in (8, 176))
    assert np.array_equal(first, second)
    assert first.std() > 20
    assert sheet[6, 50].tolist() == [255, 0, 0]


def test_a_picture_finds_what_it_was_cut_from(folder, capsys):
    features = ('--stage', '2', '--pool', 'mean-std')  # the search takes the same
    EMBED.main(['backbone.pth', 'scenes', '--out', 'e.parquet', *SETTINGS, *features])
    assert EmbeddingTable('e.parquet').dims == 2 * 32
    pixels = np.frombuffer(gdal.Open('scenes/b_20240601.tif').ReadRaster(), np.uint16)
    crop = pixels.reshape(3, 96, 128)[:, 32:64, 96:128]
    write(folder / 'crop.tif', crop, names=('B04', 'B03', 'B02'), west=0, north=0)
    capsys.readouterr()
    SEARCH.main(['e.parquet', '--picture', 'crop.tif', '-n', '2'])
    told = capsys.readouterr().out
    assert '1  1.0000  scenes/b_20240601.tif  2024-06-01  row 1 col 3' in told
    assert (folder / 'e_search.png').is_file()
    # A picture without georeference, of the colours that the backbone takes.
    low, high = (np.array(x)[:, None, None] for x in ((426, 667, 885), (3698, 2969, 2620)))
    bright = (np.clip((crop - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    Image.fromarray(bright.transpose(1, 2, 0)).save('crop.png')
    SEARCH.main(['e.parquet', '--picture', 'crop.png', '-n', '1', '--no-sheet'])
    assert '1  1.0000  scenes/b_20240601.tif  2024-06-01  row 1 col 3' in capsys.readouterr().out
    write_backbone(folder / 'other.pth', stats='s2_l2a')
    with pytest.raises(SystemExit, match=r'is not the checkpoint that e\.parquet was made with'):
        SEARCH.main(['e.parquet', '--picture', 'crop.tif', '--checkpoint', 'other.pth'])


def test_a_picture_whose_bands_have_no_names_is_told_how_to_name_them(folder, capsys):
    EMBED.main(['backbone.pth', 'scenes', '--out', 'e.parquet', *SETTINGS])
    pixels = np.frombuffer(gdal.Open('scenes/b_20240601.tif').ReadRaster(), np.uint16)
    crop = pixels.reshape(3, 96, 128)[::-1, 32:64, 96:128]
    write(folder / 'crop.tif', crop, names=(), west=0, north=0)
    search = ['e.parquet', '--picture', 'crop.tif', '-n', '1', '--out', 'found.geojson']
    with pytest.raises(SystemExit, match=r'search\.py --file-bands B02 B03 '):
        SEARCH.main(search)
    capsys.readouterr()
    SEARCH.main([*search, '--file-bands', 'B02', 'B03', 'B04'])
    assert '1  1.0000  scenes/b_20240601.tif  2024-06-01  row 1 col 3' in capsys.readouterr().out
    # The name of the file that was wanted is not doubled.
    assert sorted(path.name for path in folder.glob('found*')) == ['found.geojson', 'found.png']


def test_scenes_that_are_gone_are_drawn_grey(folder, capsys):
    EMBED.main(['backbone.pth', 'scenes', '--out', 'e.parquet', *SETTINGS])
    (folder / 'scenes').rename(folder / 'moved')
    record = EmbeddingTable('e.parquet').take([3], ['bbox'])[0]['bbox']
    middle = [str((record[f'{a}min'] + record[f'{a}max']) / 2) for a in ('x', 'y')]
    SEARCH.main(['e.parquet', '--like', *middle, '-n', '1'])
    grey = np.asarray(Image.open('e_search.png'))[20:150, 20:150]
    assert np.unique(grey).tolist() == [211]
    (folder / 'moved').rename(folder / 'below')
    (folder / 'elsewhere').mkdir()
    (folder / 'below').rename(folder / 'elsewhere/scenes')
    SEARCH.main(['e.parquet', '--like', *middle, '-n', '1', '--root', 'elsewhere'])
    assert len(np.unique(np.asarray(Image.open('e_search.png'))[20:150, 20:150])) > 50


def test_failures_are_listed_and_the_exit_code_tells(folder, capsys):
    (folder / 'scenes/c.tif').write_bytes(b'no raster')
    assert EMBED.main(['backbone.pth', 'scenes', '--out', 'e.parquet', *SETTINGS]) == 1
    told = capsys.readouterr().out
    assert '1 failed' in told
    assert '  scenes/c.tif: scenes/c.tif cannot be read' in told
    assert len(EmbeddingTable('e.parquet')) == 24


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--shard', '4/4'], 'expected I/N with 0 <= I < N'),
        (['--max-nodata', '1'], 'expected a share from 0 to below 1'),
        (['--unit', 'feet'], "unit='feet': expected one of"),
        (['--crs', 'EPSG:3857'], "expected 'EPSG:4326' or 'scene'"),
        (['--stage', '4'], 'stage=4: the backbone of backbone.pth'),
        (['--stage', '-1'], 'stage=-1; expected 0 or more'),
        (['--stride', '0'], 'stride=0: expected 1 pixel or more'),
    ],
)
def test_options_that_are_none_are_refused(folder, options, message):
    with pytest.raises(SystemExit, match=message):
        EMBED.main(['backbone.pth', 'scenes', '--out', 'e.parquet', *SETTINGS, *options])
    assert not (folder / 'e.parquet').exists()

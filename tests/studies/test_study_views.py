"""Views of a study on the device: the same transforms, and no word changed where it cannot be."""

import copy
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from swimdiff.registry import MODELS
from swimdiff.studies.cell_config import hash_cell
from swimdiff.studies.device_views import move_views

VIEW = [dict(type='mmpretrain.RandomResizedCrop', scale=16), dict(type='RandomGrey', prob=1)]


def training(pipeline=None, dataset=None, loader=None, **preprocessor):
    views = dict(type='TwoViews', transforms=VIEW)
    steps = pipeline or [dict(type='LoadPatch', size=24), views, dict(type='PackViews')]
    bands = ('B04', 'B03', 'B02')
    preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='seco') | preprocessor
    return Config(
        dict(
            default_scope='swimdiff',
            model=dict(type='SwiMDiff', channels_last=True),
            train_dataloader=dict(
                batch_size=4,
                dataset=dict(type='SeCo', pipeline=steps, **(dataset or {})),
                **(dict(num_workers=0) | (loader or {})),
            ),
            data_preprocessor=preprocessor,
        )
    )


def test_what_is_moved():
    cfg = training()
    assert move_views(cfg) == ''
    load, pack = cfg.train_dataloader.dataset.pipeline
    assert (load.type, load['size'], pack.type) == ('LoadPatch', 24, 'PackViews')
    loader = cfg.train_dataloader
    assert (loader.num_workers, load.keep) == (1, 4 * 2**30)
    assert loader.persistent_workers and not loader.pin_memory and loader.batch_size == 4
    preprocessor = cfg.data_preprocessor
    assert (preprocessor.type, preprocessor.channels_last) == ('DeviceViews', True)
    assert preprocessor.stats == 'seco' and preprocessor.transforms == VIEW
    with DefaultScope.overwrite_default_scope('swimdiff'):
        maker = MODELS.build(preprocessor)
    query, key = maker.views([torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8)])
    assert query.shape == key.shape == (4, 3, 16, 16)
    again = cfg.to_dict()
    assert move_views(cfg) == ''  # the device makes them already
    assert cfg.to_dict() == again


def test_what_a_config_says_of_its_loader_stays():
    loader = dict(num_workers=8, pin_memory=True)
    load = dict(type='LoadPatch', keep=0)
    lists = dict(type='TwoViews', transforms=[VIEW, VIEW[:1]], plain=[])
    between = dict(type='RandomQuarterTurn')
    cfg = training([load, between, lists, dict(type='PackViews')], loader=loader)
    assert move_views(cfg) == ''
    found = cfg.train_dataloader
    assert (found.num_workers, found.pin_memory, found.persistent_workers) == (8, True, True)
    assert [step['type'] for step in found.dataset.pipeline] == [
        *('LoadPatch', 'RandomQuarterTurn', 'PackViews')
    ]
    assert found.dataset.pipeline[0]['keep'] == 0
    assert cfg.data_preprocessor.transforms == [VIEW, VIEW[:1]]
    assert cfg.data_preprocessor.plain == []
    free = training(loader=dict(num_workers=8))
    move_views(free)
    assert free.train_dataloader.dataset.pipeline[0]['keep'] == 2**29


@pytest.mark.parametrize(
    'dataset, is_moved',
    [
        (dict(type='RasterScenes'), False),
        (dict(type='RasterScenes', stats='s2_l2a'), True),
        (dict(type='RasterScenes', stats='s2_l2a', stretch=False), False),
        (dict(type='PictureScenes'), True),
        (dict(type='swimdiff.SeCo', stretch=False), False),
    ],
)
def test_pixels_of_other_types_stay_with_the_workers(dataset, is_moved):
    cfg = training()
    cfg.train_dataloader.dataset.update(dataset)
    reason = move_views(cfg)
    assert reason == '' if is_moved else 'expected pixels of 8 bits; found' in reason


def test_memory_does_not_make_another_cell():
    cfg, kept = training(), training()
    kept.train_dataloader.dataset.pipeline[0].keep = 10
    assert hash_cell(cfg, {}) == hash_cell(kept, {})


@pytest.mark.parametrize(
    'change, reason',
    [
        (
            dict(pipeline=[dict(type='LoadPatch'), dict(type='PackViews')]),
            r'expected the pipeline LoadPatch, ..., TwoViews, PackViews; found LoadPatch, PackV',
        ),
        (
            dict(type='mmpretrain.SelfSupDataPreprocessor'),
            'expected a MultiBandPreprocessor; found mmpretrain.SelfSup',
        ),
        (
            dict(
                pipeline=[
                    dict(type='LoadPatch'),
                    dict(type='TwoViews', transforms=[dict(type='mmcv.Resize', scale=8)]),
                    dict(type='PackViews'),
                ]
            ),
            '.*DeviceViews: no counterpart on the device for .*Resize',
        ),
        (
            dict(
                pipeline=[
                    dict(type='LoadPatch'),
                    dict(type='TwoViews', transforms=[dict(type='RandomGray')]),
                    dict(type='PackViews'),
                ]
            ),
            '.*RandomGray',
        ),
    ],
)
def test_why_the_workers_keep_them(change, reason):
    cfg = training(**copy.deepcopy(change))
    before = cfg.to_dict()
    assert re.match(reason, move_views(cfg))
    assert cfg.to_dict() == before

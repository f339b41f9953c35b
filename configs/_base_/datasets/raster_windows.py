# Windows of labelled rasters: what raster_labels.py and raster_pairs.py share, with ground divided
# into blocks of 2 km. It names no data set; docs/how-to/labels.md has all options.
bands = ('B04', 'B03', 'B02')

meta_keys = (
    'img_path',
    'seg_map_path',
    'ori_shape',
    'img_shape',
    'sample_idx',
    'image_id',
    'full_shape',
    'window',
    'band_names',
)
train_pipeline = [
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomQuarterTurn', prob=0.75),
    dict(type='mmseg.PackSegInputs', meta_keys=meta_keys),
]
test_pipeline = [dict(type='mmseg.PackSegInputs', meta_keys=meta_keys)]

shared = dict(blocks=2000, bands=bands)
train_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**shared, split='train', pipeline=train_pipeline),
)
test_loader = dict(
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_dataloader = dict(
    **test_loader,
    dataset=dict(**shared, split='val', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = dict(
    **test_loader,
    dataset=dict(**shared, split='test', test_mode=True, pipeline=test_pipeline),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

data_preprocessor = dict(bands=bands, stats='s2_l2a')
# Stretch and standardisation are those of the checkpoint that the backbone starts from; the ones
# named here serve a backbone without one. 'config' keeps those named here.
input_statistics = 'checkpoint'

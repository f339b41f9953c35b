# OSCD, visible bands, tiles of 96 pixels side by side; the official 14 training and 10 test cities.
# OSCD_ROOT names the data without touching a config.
data_root = '{{$OSCD_ROOT:data/oscd}}'
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

# Both dates are one image of 2C channels: the engine's flips move them and the mask together.
train_pipeline = [
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomQuarterTurn', prob=0.75),
    dict(type='mmseg.PackSegInputs', meta_keys=meta_keys),
]
test_pipeline = [dict(type='mmseg.PackSegInputs', meta_keys=meta_keys)]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='OSCD',
        data_root=data_root,
        split='train',
        bands=bands,
        tile=96,
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='OSCD',
        data_root=data_root,
        split='test',
        bands=bands,
        tile=96,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = [
    dict(type='ChangeMetric', preset='strict'),
    dict(type='ChangeMetric', preset='seco'),
]
test_cfg = dict(type='TestLoop')

data_preprocessor = dict(type='ChangePreprocessor', bands=bands, stats='oscd')
# Stretch and standardisation are those of the checkpoint that the backbone starts from; the ones
# named here serve a backbone without one. 'config' keeps those named here.
input_statistics = 'checkpoint'

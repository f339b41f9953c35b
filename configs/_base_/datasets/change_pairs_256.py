# Pictures in {split}/A, {split}/B and {split}/label (or A, B, label and list/{split}.txt), cut to
# 256 x 256; red, green and blue are standardised as in pre-training. CHANGE_PAIRS_ROOT names the
# data of all three splits without touching a config.
data_root = '{{$CHANGE_PAIRS_ROOT:data/change_pairs}}'
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
    dict(type='LoadChangePair'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomQuarterTurn', prob=0.75),
    dict(type='mmseg.PackSegInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='LoadChangePair'),
    dict(type='mmseg.PackSegInputs', meta_keys=meta_keys),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ChangePairs',
        data_root=data_root,
        split='train',
        tile=256,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ChangePairs',
        data_root=data_root,
        split='val',
        tile=256,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ChangePairs',
        data_root=data_root,
        split='test',
        tile=256,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type='ChangeMetric', preset='strict')
test_evaluator = dict(type='ChangeMetric', preset='strict')
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

data_preprocessor = dict(type='ChangePreprocessor', bands=bands, stats='seco')
# Stretch and standardisation are those of the checkpoint that the backbone starts from; the ones
# named here serve a backbone without one. 'config' keeps those named here.
input_statistics = 'checkpoint'

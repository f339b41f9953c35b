# Own rasters of one date with polygons or masks: a list with the columns image and labels, ground
# divided into blocks of 2 km. LABELS_LIST names the list without touching a config; the classes,
# and their number in the model, are to be stated. docs/how-to/labels.md has all options.
list_file = '{{$LABELS_LIST:data/labels.csv}}'
bands = ('B04', 'B03', 'B02')
classes = dict(attribute='class', names=('forest', 'water'))

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

dataset = dict(
    type='RasterLabels', list_file=list_file, classes=classes, blocks=2000, bands=bands, tile=128
)
test_loader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, split='train', stride=64, pipeline=train_pipeline),
)
val_dataloader = dict(
    **test_loader,
    dataset=dict(**dataset, split='val', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = dict(
    **test_loader,
    dataset=dict(**dataset, split='test', test_mode=True, pipeline=test_pipeline),
)
val_evaluator = dict(type='SplitIoU', iou_metrics=['mIoU'])
test_evaluator = dict(type='SplitIoU', iou_metrics=['mIoU'])
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

data_preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='s2_l2a')
# Stretch and standardisation are those of the checkpoint that the backbone starts from; the ones
# named here serve a backbone without one. 'config' keeps those named here.
input_statistics = 'checkpoint'

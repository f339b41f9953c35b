# Own GeoTIFFs of Sentinel-2 level 2A (reflectance x 10,000), one folder per class: Class/name.tif.
# LABELLED_ROOT names the data without touching a config. State the bands of your files in their
# order (file_bands), and the number of classes in the model (head.num_classes).
file_bands = ('B02', 'B03', 'B04', 'B08')
bands = ('B04', 'B03', 'B02')
data_root = '{{$LABELLED_ROOT:data/labelled}}'

load = [
    dict(type='LoadLabelledRaster', stats='seco'),
    dict(type='mmcv.Resize', scale=(64, 64)),
]
turn = [
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
pack = [dict(type='mmpretrain.PackInputs')]

dataset = dict(type='LabelledRasters', data_root=data_root, file_bands=file_bands, bands=bands)
loader = dict(batch_size=64, num_workers=4, collate_fn=dict(type='default_collate'))
train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, split='train', pipeline=load + turn + pack),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, split='val', pipeline=load + pack),
)
test_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, split='test', pipeline=load + pack),
)
val_evaluator = dict(type='SplitAccuracy')
test_evaluator = dict(type='SplitAccuracy')

data_preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='seco')
# Stretch and standardisation are those of the checkpoint that the backbone starts from; the ones
# named here serve a backbone without one. 'config' keeps those named here.
input_statistics = 'checkpoint'

# BigEarthNet v2 (reBEN) S2, visible bands, 19 classes, at 120 pixels and on the scale of SeCo;
# labels and splits of metadata.parquet. BIGEARTHNET_V2_ROOT names the data: no config is touched.
bands = ('B04', 'B03', 'B02')
data_root = '{{$BIGEARTHNET_V2_ROOT:data/BigEarthNet-v2.0}}'

load = [dict(type='LoadBigEarthNet', size=120)]
turn = [
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
pack = [dict(type='mmpretrain.PackInputs')]

dataset = dict(type='BigEarthNetV2', data_root=data_root, bands=bands)
loader = dict(batch_size=256, num_workers=8, collate_fn=dict(type='default_collate'))
train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, split='train', fraction=1.0, pipeline=load + turn + pack),
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
val_evaluator = dict(type='MultiLabelAP')
test_evaluator = dict(type='MultiLabelAP')

data_preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='seco')
# Stretch and standardisation are those of the checkpoint that the backbone starts from; the ones
# named here serve a backbone without one. 'config' keeps those named here.
input_statistics = 'checkpoint'

# EuroSAT, the RGB pictures at their 64 pixels. They are 8 bit already and go in as they are,
# standardised like the pre-training images (mean and std of ImageNet by colour): the protocol that
# published numbers are made with. EUROSAT_ROOT names the data without touching a config.
bands = ('B04', 'B03', 'B02')
data_root = '{{$EUROSAT_ROOT:data/eurosat}}'

load = [dict(type='LoadEuroSAT')]
turn = [
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
pack = [dict(type='mmpretrain.PackInputs')]

dataset = dict(type='EuroSAT', data_root=data_root, bands=bands, split_dir=None)
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

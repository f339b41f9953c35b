# What the studies on pictures train on, and how long: patches of half of RSSCN7 (1,400 pictures,
# each a scene of nine patches), 64 px views, batches of 64, for two CPU cores.
_base_ = ['../_base_/default_runtime.py', './view_pictures.py']

bands = ('B04', 'B03', 'B02')
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='SceneSampler', mates=4),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PictureScenes',
        data_root='{{$RSSCN7_ROOT:data/RSSCN7}}',
        patch=96,
        stride=32,
        bands=bands,
        part='pretrain',
        shares=dict(pretrain=0.5, train=0.2, val=0.05, test=0.25),
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=_base_.view),
            dict(type='PackViews'),
        ],
    ),
)
data_preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='pictures')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
)
train_cfg = dict(type='ResumableIterLoop', max_iters=1000)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50),
]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1),
    feature_reliance=dict(interval=100),
    gradient_share=dict(interval=100),
    logger=dict(interval=50, log_metric_by_epoch=False),
)
log_processor = dict(by_epoch=False)

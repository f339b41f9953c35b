# What `tools/quickstart.sh` runs: a ResNet-18 on one real Sentinel-2 scene, minutes on two CPU
# cores. So that few steps show something: six bands, gentler views, batch norm in the neck, AdamW.
_base_ = './swimdiff_r18_seco.py'

bands = ('B04', 'B03', 'B02', 'B08', 'B11', 'B12')
view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.3, 1.0)),
    dict(type='MultiBandColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, prob=0.8),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
model = dict(
    backbone=dict(in_channels=6),
    neck=dict(batch_norm=True),
    momentum_encoder=dict(momentum=0.99),
    queue=dict(length=128),
)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(mates=None),
    dataset=dict(
        _delete_=True,
        type='RasterScenes',
        data_root='quickstart/data',  # a pack of the scene, see tools/quickstart.py
        bands=bands,
        patch=264,
        stride=132,
        unit='reflectance x 10000',
        stats='s2_l1c',
        # Patches within four kilometres are one scene: the image is cut into eight.
        scene=dict(type='BlockScene', metres=4_000),
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)
data_preprocessor = dict(bands=bands, stats='s2_l1c')
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05),
)
auto_scale_lr = dict(base_batch_size=16)  # the values above are meant for it
train_cfg = dict(_delete_=True, type='ResumableIterLoop', max_iters=240)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
default_hooks = dict(
    logger=dict(interval=10, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=60, max_keep_ckpts=1),
)
log_processor = dict(by_epoch=False, window_size=10)
work_dir = 'quickstart/run'

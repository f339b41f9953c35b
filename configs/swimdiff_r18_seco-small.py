# For hundreds of images and a machine without a GPU: 64 px views that keep the ground resolution,
# gentler colour, batch norm in the neck, a short queue and AdamW, so that some hundred steps show.
_base_ = './swimdiff_r18_seco.py'

view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.06, 0.6)),
    dict(type='MultiBandColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, prob=0.8),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
model = dict(
    neck=dict(batch_norm=True),
    momentum_encoder=dict(momentum=0.99),
    queue=dict(length=1024),
)
train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05))
auto_scale_lr = dict(base_batch_size=32)  # the values above are meant for it
train_cfg = dict(max_epochs=100)
default_hooks = dict(logger=dict(interval=5))

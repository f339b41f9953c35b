# SeCo, visible bands, for a machine without a GPU: 64 px views that keep the ground resolution,
# gentler colour, one worker.
_base_ = ['./seco_rgb.py']

view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.06, 0.6)),
    dict(type='MultiBandColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, prob=0.8),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
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

# How the studies on pictures make a view.
view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.3, 1.0)),
    dict(
        type='MultiBandColorJitter', brightness=0.4, contrast=0.4, saturation=0.2, hue=0, prob=0.8
    ),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]

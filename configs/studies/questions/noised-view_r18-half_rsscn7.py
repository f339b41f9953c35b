# Which view is noised and restored: that of the query, of the key, or a plain crop without changes
# of colour.
_base_ = ['../measurements_pictures.py', '../branch_r18-half.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'query'

_plain = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.3, 1.0)),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]
variants = {
    'query': {},
    'key': {'model.diffusion.view': 'key'},
    'plain': {
        'model.diffusion.view': 'plain',
        'train_dataloader.dataset.pipeline.1.plain': _plain,
    },
}

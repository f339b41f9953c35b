# How strongly views are changed: colour, hue, grey, crop scale.
_base_ = ['../measurements_pictures.py', '../view_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'default'

_contrast = {'model.lambda_d': 0}
_transforms = 'train_dataloader.dataset.pipeline.1.transforms'
_crop, _jitter = f'{_transforms}.0', f'{_transforms}.1'
variants = {
    'default': _contrast,
    'gentle': {**_contrast, f'{_jitter}.brightness': 0.1, f'{_jitter}.contrast': 0.1},
    'no-colour': {**_contrast, f'{_jitter}.prob': 0},
    'hue': {**_contrast, f'{_jitter}.hue': 0.1},
    'grey': {**_contrast, _transforms: [*_base_.view, dict(type='RandomGrey', prob=0.2)]},
    'small-crops': {**_contrast, f'{_crop}.crop_ratio_range': (0.1, 1.0)},
    'large-crops': {**_contrast, f'{_crop}.crop_ratio_range': (0.6, 1.0)},
}

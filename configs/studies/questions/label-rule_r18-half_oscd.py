# Which label a mate gets, and how large the ground is whose patches are mates.
_base_ = ['../measurements_eurosat.py']

base = '../base_r18-half_oscd.py'
images = 32_000
seeds = [0, 1, 2]
baseline = 'none'

_contrast = {'model.lambda_d': 0}
_metres = 'train_dataloader.dataset.scene.metres'
variants = {
    'none': {**_contrast, 'model.head.rule': 'none'},
    'relative': _contrast,
    'ignore': {**_contrast, 'model.head.rule': 'ignore'},
    'relative-2km': {**_contrast, _metres: 2_000},
    'positive': {**_contrast, 'model.head.rule': 'positive'},
    'queue': {**_contrast, 'model.head.rule': 'queue'},
    'floor': {**_contrast, 'model.head.rule': 'floor'},
    'with-positive': {**_contrast, 'model.head.rule': 'with_positive'},
    'scene': {**_contrast, 'model.head.rule': 'scene'},
}

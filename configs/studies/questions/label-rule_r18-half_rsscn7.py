# Which label a mate gets.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'none'

_contrast = {'model.lambda_d': 0}
variants = {
    'none': {**_contrast, 'model.head.rule': 'none'},
    'ignore': {**_contrast, 'model.head.rule': 'ignore'},
    'positive': {**_contrast, 'model.head.rule': 'positive'},
    'scene': {**_contrast, 'model.head.rule': 'scene'},
    'queue': {**_contrast, 'model.head.rule': 'queue'},
    'relative': _contrast,
    'relative-wide': {
        **_contrast,
        'model.head.rule': dict(type='relative', temperature=0.2, _delete_=True),
    },
    'with-positive': {**_contrast, 'model.head.rule': 'with_positive'},
    'floor': {**_contrast, 'model.head.rule': 'floor'},
    'anchor-key': {**_contrast, 'model.head.anchor': 'key'},
}

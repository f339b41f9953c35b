# Which label a mate gets, where a query meets a hundred of them.
_base_ = ['../measurements_eurosat.py']

base = '../base_r18-half_oscd.py'
images = 32_000
seeds = [0, 1, 2]
baseline = 'none'

_contrast = {'model.lambda_d': 0}
variants = {
    'none': {**_contrast, 'model.head.rule': 'none'},
    'relative': _contrast,
    'ignore': {**_contrast, 'model.head.rule': 'ignore'},
    'relative-wide': {
        **_contrast,
        'model.head.rule': dict(type='relative', temperature=0.2, _delete_=True),
    },
    'positive': {**_contrast, 'model.head.rule': 'positive'},
    'queue': {**_contrast, 'model.head.rule': 'queue'},
    'floor': {**_contrast, 'model.head.rule': 'floor'},
    'with-positive': {**_contrast, 'model.head.rule': 'with_positive'},
    'scene': {**_contrast, 'model.head.rule': 'scene'},
    'anchor-key': {**_contrast, 'model.head.anchor': 'key'},
}

# The label rules, side by side without the diffusion branch.
baseline = 'none'

_contrast = {'model.lambda_d': 0}
variants = {
    'none': {**_contrast, 'model.head.rule': 'none'},
    'ignore': {**_contrast, 'model.head.rule': 'ignore'},
    'positive': {**_contrast, 'model.head.rule': 'positive'},
    'scene': {**_contrast, 'model.head.rule': 'scene'},
    'queue': {**_contrast, 'model.head.rule': 'queue'},
    'queue-k4': {**_contrast, 'model.head.rule': dict(type='queue', scale=4, _delete_=True)},
    'relative': _contrast,
    'relative-0.1': {
        **_contrast,
        'model.head.rule': dict(type='relative', temperature=0.1, _delete_=True),
    },
    'relative-wide': {
        **_contrast,
        'model.head.rule': dict(type='relative', temperature=0.2, _delete_=True),
    },
    'with-positive': {**_contrast, 'model.head.rule': 'with_positive'},
    'floor': {**_contrast, 'model.head.rule': 'floor'},
    'anchor-key': {**_contrast, 'model.head.anchor': 'key'},
}

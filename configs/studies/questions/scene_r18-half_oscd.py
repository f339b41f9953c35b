# What a mate is: the same ground at another date, a block of ground around it, or the whole city;
# for classification and for change between two dates.
_base_ = ['../measurements_oscd.py', '../branch_r18-half.py']

base = '../base_r18-half_oscd.py'
images = 32_000
seeds = [0, 1, 2]
baseline = 'none'

_contrast = {'model.lambda_d': 0}
_scene = 'train_dataloader.dataset.scene'
variants = {
    'none': {**_contrast, 'model.head.rule': 'none'},
    'location': {**_contrast, _scene: dict(type='LocationScene', _delete_=True)},
    'block-2km': {**_contrast, f'{_scene}.metres': 2_000},
    'block': _contrast,
    'city': {**_contrast, _scene: dict(type='FileScene', _delete_=True)},
}

# The peak of the learning rate, for the contrast alone.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'lr1e-3'

_contrast = {'model.lambda_d': 0}
_rate = 'optim_wrapper.optimizer.lr'
variants = {
    'lr3e-4': {**_contrast, _rate: 3e-4},
    'lr1e-3': _contrast,
    'lr3e-3': {**_contrast, _rate: 3e-3},
}

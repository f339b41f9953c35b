# Momentum and length of the queue for small data, temperature, the neck.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'default'

_contrast = {'model.lambda_d': 0}
variants = {
    'default': _contrast,
    'm0.9': {**_contrast, 'model.momentum_encoder.momentum': 0.9},
    'm0.999': {**_contrast, 'model.momentum_encoder.momentum': 0.999},
    'k512': {**_contrast, 'model.queue.length': 512},
    'k12288': {**_contrast, 'model.queue.length': 12_288},
    't0.2': {**_contrast, 'model.head.temperature': 0.2},
    't0.07': {**_contrast, 'model.head.temperature': 0.07},
    'no-neck-bn': {**_contrast, 'model.neck.batch_norm': False},
}

# How much weight: the share of the diffusion loss in the gradient of the encoder is logged.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'l3'

_swimdiff = {
    'model.lambda_d': 3,
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.decoder.drop_levels': 0.5,
    'model.diffusion.decoder.channels': (16, 24, 32, 48),
    'model.diffusion.schedule.least_signal': 0.2,
}
variants = {
    'l0.3': {**_swimdiff, 'model.lambda_d': 0.3},
    'l1': {**_swimdiff, 'model.lambda_d': 1},
    'l3': {**_swimdiff, 'model.lambda_d': 3},
    'l10': {**_swimdiff, 'model.lambda_d': 10},
    'l30': {**_swimdiff, 'model.lambda_d': 30},
}

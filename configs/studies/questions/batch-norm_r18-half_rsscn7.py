# Which statistics normalise the noised pass.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'own'

_swimdiff = {
    'model.lambda_d': 3,
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.decoder.drop_levels': 0.5,
    'model.diffusion.decoder.channels': (16, 24, 32, 48),
    'model.diffusion.schedule.least_signal': 0.2,
}
variants = {
    'own': _swimdiff,
    'frozen': {**_swimdiff, 'model.diffusion.norm_statistics': 'frozen'},
    'shared': {**_swimdiff, 'model.diffusion.norm_statistics': 'shared'},
}

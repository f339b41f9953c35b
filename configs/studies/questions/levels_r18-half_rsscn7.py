# Which stages feed the decoder, and how often the finer ones are withheld.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'drop-half'

_swimdiff = {
    'model.lambda_d': 3,
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.decoder.drop_levels': 0.5,
    'model.diffusion.decoder.channels': (16, 24, 32, 48),
    'model.diffusion.schedule.least_signal': 0.2,
}
variants = {
    'all': {**_swimdiff, 'model.diffusion.decoder.drop_levels': 0},
    'drop-half': _swimdiff,
    'drop-most': {**_swimdiff, 'model.diffusion.decoder.drop_levels': 0.9},
    'deepest': {**_swimdiff, 'model.diffusion.decoder.levels': (3,)},
    'two-deepest': {**_swimdiff, 'model.diffusion.decoder.levels': (2, 3)},
    'two-finest': {
        **_swimdiff,
        'model.diffusion.decoder.levels': (0, 1),
        'model.diffusion.decoder.channels': (16, 24),
    },
}

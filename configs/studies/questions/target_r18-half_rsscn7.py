# What the decoder is asked for, at which noise, and whether it sees the noised image.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'x0'

_swimdiff = {
    'model.lambda_d': 3,
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.decoder.drop_levels': 0.5,
    'model.diffusion.decoder.channels': (16, 24, 32, 48),
    'model.diffusion.schedule.least_signal': 0.2,
}
variants = {
    'x0': _swimdiff,
    'v': {**_swimdiff, 'model.diffusion.loss.prediction': 'v'},
    'eps-skip': {
        **_swimdiff,
        'model.diffusion.loss.prediction': 'eps',
        'model.diffusion.decoder.skip_noised': True,
    },
    'all-steps': {**_swimdiff, 'model.diffusion.schedule.least_signal': 0.0},
    'half-signal': {**_swimdiff, 'model.diffusion.schedule.least_signal': 0.5},
    'logit-normal': {**_swimdiff, 'model.diffusion.schedule.density': 'logit_normal'},
    'min-snr': {**_swimdiff, 'model.diffusion.loss.weighting': 'min_snr'},
}

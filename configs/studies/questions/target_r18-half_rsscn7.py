# What the decoder is asked for, at which noise, and whether it sees the noised image.
_base_ = ['../measurements_pictures.py', '../branch_r18-half.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'x0'

variants = {
    'x0': {},
    'v': {'model.diffusion.loss.prediction': 'v'},
    'eps-skip': {
        'model.diffusion.loss.prediction': 'eps',
        'model.diffusion.decoder.skip_noised': True,
    },
    'all-steps': {'model.diffusion.schedule.least_signal': 0.0},
    'half-signal': {'model.diffusion.schedule.least_signal': 0.5},
    'logit-normal': {'model.diffusion.schedule.density': 'logit_normal'},
    'min-snr': {'model.diffusion.loss.weighting': 'min_snr'},
}

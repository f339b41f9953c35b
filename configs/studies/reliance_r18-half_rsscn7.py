# What does the diffusion branch ask of the encoder? Short runs: reliance and gradient share settle
# within some hundred steps, and no probe is needed to see them. The gradient share is proportional
# to lambda_d, which is 1 here.
base = 'base_r18-half_rsscn7.py'
images = 9_600
seeds = [0]
_watch = {
    'default_hooks.feature_reliance.interval': 10,
    'default_hooks.gradient_share.interval': 10,
    'model.diffusion.decoder.channels': (16, 24, 32, 48),
    'model.diffusion.decoder.drop_levels': 0,
    'model.diffusion.schedule.least_signal': 0,
}
_x0 = {
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.schedule.least_signal': 0.2,
}
_drop = {'model.diffusion.decoder.drop_levels': 0.5}
overrides = _watch
baseline = 'eps'
variants = {
    'eps': {'model.diffusion.decoder.skip_noised': True},  # the first default
    'x0': _x0,
    'x0-drop': {**_x0, **_drop},
    'x0-deepest': {**_x0, 'model.diffusion.decoder.levels': (3,)},
    'v-drop': {**_x0, **_drop, 'model.diffusion.loss.prediction': 'v'},
    'x0-drop-all-steps': {**_x0, **_drop, 'model.diffusion.schedule.least_signal': 0.0},
}
measurements = [
    dict(
        type='LogMeasurement',
        name='log',
        window=0.3,
        keys=[
            'feature_reliance*',
            'gradient_share*',
            'diffusion_relative_error',
            'loss_diffusion',
            'loss_contrast',
        ],
    )
]

# Which stages feed the decoder, and how often the finer ones are withheld.
_base_ = ['../measurements_pictures.py', '../branch_r18-half.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'drop-half'

variants = {
    'all': {'model.diffusion.decoder.drop_levels': 0},
    'drop-half': {},
    'drop-most': {'model.diffusion.decoder.drop_levels': 0.9},
    'deepest': {'model.diffusion.decoder.levels': (3,)},
    'two-deepest': {'model.diffusion.decoder.levels': (2, 3)},
    'two-finest': {
        'model.diffusion.decoder.levels': (0, 1),
        'model.diffusion.decoder.channels': (16, 24),
    },
}

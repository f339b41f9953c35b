# Which statistics normalise the noised pass.
_base_ = ['../measurements_pictures.py', '../branch_r18-half.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'own'

variants = {
    'own': {},
    'frozen': {'model.diffusion.norm_statistics': 'frozen'},
    'shared': {'model.diffusion.norm_statistics': 'shared'},
}

# Which stages feed the decoder, where patches are Sentinel-2 of few large scenes.
_base_ = ['../measurements_eurosat.py', '../branch_r18-half.py']

base = '../base_r18-half_oscd.py'
images = 32_000
seeds = [0, 1, 2, 3, 4, 5]
baseline = 'moco'

variants = {
    'moco': {'model.head.rule': 'none', 'model.lambda_d': 0},
    'drop-half': {},
    'deepest': {'model.diffusion.decoder.levels': (3,)},
}

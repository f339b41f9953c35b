# How much weight: the share of the diffusion loss in the gradient of the encoder is logged.
_base_ = ['../measurements_pictures.py', '../branch_r18-half.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'l3'

variants = {
    'l0.3': {'model.lambda_d': 0.3},
    'l1': {'model.lambda_d': 1},
    'l3': {'model.lambda_d': 3},
    'l10': {'model.lambda_d': 10},
    'l30': {'model.lambda_d': 30},
}

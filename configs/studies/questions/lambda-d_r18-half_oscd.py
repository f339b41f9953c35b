# How much weight the diffusion constraint gets.
_base_ = ['../measurements_eurosat.py', '../branch_r18-half.py']

base = '../base_r18-half_oscd.py'
images = 32_000
seeds = [0, 1, 2]
baseline = 'l3'

variants = {
    'l3': {},
    'l10': {'model.lambda_d': 10},
    'l30': {'model.lambda_d': 30},
}

# How many mates a query meets.
_base_ = ['../measurements_pictures.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'm4'

_contrast = {'model.lambda_d': 0}
variants = {
    'm1': {**_contrast, 'train_dataloader.sampler.mates': 1},
    'm4': {**_contrast, 'train_dataloader.sampler.mates': 4},
    'm8': {**_contrast, 'train_dataloader.sampler.mates': 8},
    'batch-keys': {**_contrast, 'model.batch_keys': True},
}

# The parts of the claim at three times its length, with the gentle colour of the recipes that are
# shipped: is a lead one over views that are changed too strongly?
_base_ = ['../measurements_pictures.py', '../branch_r18-half.py', '../parts.py']

base = '../base_r18-half_rsscn7.py'
images = 72_000
seeds = [0, 1, 2]

_jitter = 'train_dataloader.dataset.pipeline.1.transforms.1'
overrides = {f'{_jitter}.brightness': 0.1, f'{_jitter}.contrast': 0.1}

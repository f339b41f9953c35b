# Self-supervisors of mmpretrain beside ours at equal images: the same pictures, views, backbone,
# optimiser and schedule.
_base_ = ['./measurements_pictures.py']

base = 'base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'moco'

_moco = {'model.head.rule': 'none', 'model.lambda_d': 0}
variants = {
    'moco': _moco,
    'moco-shuffled': {**_moco, 'train_dataloader.sampler.mates': None},
    'simclr': dict(base='simclr_r18-half_rsscn7.py'),
    'byol': dict(base='byol_r18-half_rsscn7.py'),
    'simsiam': dict(base='simsiam_r18-half_rsscn7.py'),
}

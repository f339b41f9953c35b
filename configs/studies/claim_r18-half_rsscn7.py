# The claim of the paper at a small size: does each of its two ideas make better features than plain
# momentum contrast, from the same images in the same order?
#   RSSCN7_ROOT=... EUROSAT_ROOT=... python tools/study.py configs/studies/claim_r18-half_rsscn7.py
_base_ = ['./measurements_pictures.py']

base = 'base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'moco'

_diffusion = {
    'model.lambda_d': 3,
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.decoder.drop_levels': 0.5,
    'model.diffusion.decoder.channels': (16, 24, 32, 48),
    'model.diffusion.schedule.least_signal': 0.2,
}
variants = {
    'moco': {'model.head.rule': 'none', 'model.lambda_d': 0},
    'matching': {'model.lambda_d': 0},
    'diffusion': {**_diffusion, 'model.head.rule': 'none'},
    'swimdiff': _diffusion,
}

# The claim of the paper at a small size: does each of its two ideas make better features than plain
# momentum contrast, from the same images in the same order?
#   RSSCN7_ROOT=... EUROSAT_ROOT=... python tools/study.py configs/studies/claim_r18-half_rsscn7.py
_base_ = ['./measurements_pictures.py']

base = 'base_r18-half_rsscn7.py'
images = 48_000
seeds = [0, 1, 2]
baseline = 'moco'
variants = {
    'moco': {'model.head.rule': 'none', 'model.lambda_d': 0},
    'matching': {'model.lambda_d': 0},
    'diffusion': {'model.head.rule': 'none'},
    'swimdiff': {},
}

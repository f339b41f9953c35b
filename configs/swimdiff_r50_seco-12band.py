# All twelve bands of SeCo instead of three.
_base_ = [
    './_base_/models/swimdiff_r50.py',
    './_base_/datasets/seco_12band.py',
    './_base_/schedules/sgd_cosine_200e.py',
    './_base_/default_runtime.py',
]
model = dict(backbone=dict(in_channels=12))

# The floor: the same probe on a network with random weights.
_base_ = './linear_r18_eurosat-rgb.py'
model = dict(backbone=dict(zero_init_residual=False, init_cfg=None))

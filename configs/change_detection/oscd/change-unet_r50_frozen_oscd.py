_base_ = './change-unet_r18_frozen_oscd.py'
weights = dict(checkpoint='work_dirs/swimdiff_r50_seco/epoch_200.pth')
model = dict(
    backbone=dict(backbone=dict(depth=50, init_cfg=weights)),
    decode_head=dict(in_channels=(64, 256, 512, 1024, 2048)),
)

_base_ = './linear_r18_eurosat-rgb.py'
checkpoint = 'work_dirs/swimdiff_r50_seco/epoch_200.pth'
model = dict(
    backbone=dict(depth=50, init_cfg=dict(checkpoint=checkpoint)),
    head=dict(in_channels=2048),
)

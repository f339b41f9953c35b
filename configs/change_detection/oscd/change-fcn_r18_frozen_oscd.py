_base_ = './change-linear_r18_frozen_oscd.py'
model = dict(decode_head=dict(channels=64, num_convs=2, norm_cfg=dict(type='BN')))

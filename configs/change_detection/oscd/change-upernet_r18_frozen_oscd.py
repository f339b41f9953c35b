_base_ = './change-unet_r18_frozen_oscd.py'
model = dict(
    decode_head=dict(
        type='mmseg.UPerHead',
        in_index=(0, 1, 2, 3, 4),
        channels=128,
        norm_cfg=dict(type='BN'),
    )
)

# The repository's U-Net decoder on one date, and a backbone that is trained on.
_base_ = './cover-upernet_r18_frozen_raster-labels.py'
loss = dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)
model = dict(
    frozen=False,
    decode_head=dict(
        _delete_=True,
        type='ChangeUNetHead',
        in_channels=(64, 128, 256, 512),
        num_classes=2,
        loss_decode=loss,
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}))

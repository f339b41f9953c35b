_base_ = './change-unet_r18_frozen_oscd.py'
checkpoint = 'work_dirs/swimdiff_swin-t_seco/epoch_200.pth'
backbone = dict(
    type='mmpretrain.SwinTransformer', arch='tiny', out_indices=(0, 1, 2, 3), pad_small_map=True
)
weights = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.', bands=_base_.bands)
model = dict(
    backbone=dict(backbone=dict(_delete_=True, init_cfg=weights, **backbone)),
    decode_head=dict(in_channels=(96, 192, 384, 768)),
)

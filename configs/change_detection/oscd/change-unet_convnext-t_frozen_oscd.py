_base_ = './change-unet_r18_frozen_oscd.py'
checkpoint = 'work_dirs/swimdiff_convnext-t_seco/epoch_200.pth'
levels = dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False)
weights = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.', bands=_base_.bands)
backbone = dict(type='mmpretrain.ConvNeXt', arch='tiny', init_cfg=weights, **levels)
model = dict(
    backbone=dict(backbone=dict(_delete_=True, **backbone)),
    decode_head=dict(in_channels=(96, 192, 384, 768)),
)

_base_ = './linear_r18_eurosat-rgb.py'
backbone = dict(type='mmpretrain.ConvNeXt', arch='tiny', in_channels=3, gap_before_final_norm=False)
checkpoint = 'work_dirs/swimdiff_convnext-t_seco/epoch_200.pth'
init = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.', bands=_base_.bands)
model = dict(
    backbone=dict(_delete_=True, **backbone, out_indices=(0, 1, 2, 3), init_cfg=init),
    head=dict(in_channels=768),
)

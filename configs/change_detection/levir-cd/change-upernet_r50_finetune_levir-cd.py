# Another head, another backbone, and whole 1024 x 1024 pictures in the test, window by window.
_base_ = './change-unet_r18_finetune_levir-cd.py'
weights = dict(checkpoint='work_dirs/swimdiff_r50_seco/epoch_200.pth')
head = dict(type='mmseg.UPerHead', in_index=(0, 1, 2, 3, 4), channels=256, norm_cfg=dict(type='BN'))
model = dict(
    backbone=dict(backbone=dict(depth=50, init_cfg=weights)),
    decode_head=dict(in_channels=(64, 256, 512, 1024, 2048), **head),
    test_cfg=dict(mode='slide', crop_size=(256, 256), stride=(192, 192)),
)
test_dataloader = dict(batch_size=1, dataset=dict(tile=None))

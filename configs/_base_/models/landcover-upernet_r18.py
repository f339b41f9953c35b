# Land cover from one date: a pre-trained ResNet-18 and mmsegmentation's UPerNet head. `frozen`
# leaves the backbone as it was pre-trained; False trains it on. Classes: decode_head.num_classes.
model = dict(
    type='CoverSegmentor',  # mmseg.EncoderDecoder with `frozen`
    frozen=True,
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=18,
        in_channels=3,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN'),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/swimdiff_r18_raster-scenes/epoch_100.pth',
            prefix='backbone.',
            bands=('B04', 'B03', 'B02'),  # compared with those of the checkpoint
        ),
    ),
    decode_head=dict(
        type='mmseg.UPerHead',
        in_channels=(64, 128, 256, 512),
        in_index=(0, 1, 2, 3),
        channels=64,
        dropout_ratio=0.1,
        num_classes=2,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        # Averaged over labelled pixels: polygons cover little of a window.
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

# The OSCD protocol's network: a frozen siamese ResNet-18, absolute differences of five levels (the
# stem convolution and the four stages), a U-Net decoder with one logit a pixel, BCE.
# A child that swaps the backbone states the backbone, its checkpoint and decode_head.in_channels.
model = dict(
    type='ChangeSegmentor',  # mmseg.EncoderDecoder without an accuracy of one logit
    backbone=dict(
        type='SiameseEncoder',
        backbone=dict(
            type='mmpretrain.ResNet',
            depth=18,
            in_channels=3,
            out_indices=(0, 1, 2, 3),
            norm_cfg=dict(type='BN'),
            init_cfg=dict(
                type='Pretrained',
                checkpoint='work_dirs/swimdiff_r18_seco/epoch_200.pth',
                prefix='backbone.',
                bands=('B04', 'B03', 'B02'),  # compared with those of the checkpoint
            ),
        ),
        difference=dict(type='FeatureDifference', mode='abs'),
        frozen=True,
    ),
    decode_head=dict(
        type='ChangeUNetHead',
        in_channels=(64, 64, 128, 256, 512),
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        dropout_ratio=0.3,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

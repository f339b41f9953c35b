# A linear classifier on a pre-trained ResNet-18. `frozen` is the linear probe; False fine-tunes.
# The random floor: classification/eurosat/linear_r18-random_eurosat-rgb.py.
model = dict(
    type='BandClassifier',
    frozen=True,
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
            bands=('B04', 'B03', 'B02'),
        ),
    ),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)

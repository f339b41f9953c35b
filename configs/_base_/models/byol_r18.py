# BYOL (arXiv 2006.07733) as mmpretrain has it, on a ResNet-18. The target network takes
# `base_momentum` of each step: 0.01 at batch 4096, here for batch 256, 1 - 0.99^(1/16).
neck = dict(
    type='mmpretrain.NonLinearNeck',
    in_channels=512,
    hid_channels=4096,
    out_channels=256,
    with_bias=True,
    with_last_bn=False,
)
model = dict(
    type='mmpretrain.BYOL',
    base_momentum=0.000628,
    backbone=dict(type='mmpretrain.ResNet', depth=18, in_channels=3, norm_cfg=dict(type='SyncBN')),
    neck=neck,
    head=dict(
        type='mmpretrain.LatentPredictHead',
        predictor=dict(neck, in_channels=256, with_avg_pool=False),
        loss=dict(type='mmpretrain.CosineSimilarityLoss'),
    ),
)

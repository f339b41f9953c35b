# BYOL (arXiv 2006.07733) as mmpretrain has it for 200 epochs: LARS with lr 4.8 and a target network
# that takes 0.01 of each step at batch 4096; here both for batch 256: 4.8 / 16 and 1 - 0.99^(1/16).
_base_ = [
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/lars_cosine_200e.py',
    '../_base_/default_runtime.py',
]
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
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle
optim_wrapper = dict(optimizer=dict(weight_decay=1e-6))

# MoCo v2 (arXiv 2003.04297) as mmpretrain has it: 65,536 keys, tau 0.2, lr 0.03 at batch 256. Its
# `momentum` is the share that is replaced, 1 - m. `queue_len` has to be a multiple of the batch.
_base_ = [
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/sgd_cosine_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='mmpretrain.MoCo',
    queue_len=65536,
    feat_dim=128,
    momentum=0.001,
    backbone=dict(type='mmpretrain.ResNet', depth=18, in_channels=3, norm_cfg=dict(type='BN')),
    neck=dict(type='mmpretrain.MoCoV2Neck', in_channels=512, hid_channels=512, out_channels=128),
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.2,
    ),
)
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle

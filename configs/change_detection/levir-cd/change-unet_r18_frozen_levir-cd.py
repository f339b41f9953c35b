_base_ = [
    '../../_base_/models/change-unet_r18.py',
    '../../_base_/datasets/levir-cd_256.py',
    '../../_base_/schedules/adam_exponential_100e.py',
    '../../_base_/default_runtime.py',
]
train_cfg = dict(val_interval=10)
default_hooks = dict(visualization=dict(type='ChangePictureHook'))

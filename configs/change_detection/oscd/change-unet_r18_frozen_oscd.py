# OSCD with a frozen backbone; data and scores: configs/change_detection/README.md. The last epoch
# is tested: there is no validation split to choose an epoch on, and the test cities are none.
_base_ = [
    '../../_base_/models/change-unet_r18.py',
    '../../_base_/datasets/oscd_rgb.py',
    '../../_base_/schedules/adam_exponential_100e.py',
    '../../_base_/default_runtime.py',
]
default_hooks = dict(
    logger=dict(interval=10),
    visualization=dict(type='ChangePictureHook'),
)

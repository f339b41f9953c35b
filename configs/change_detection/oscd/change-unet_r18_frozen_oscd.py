# OSCD with a frozen backbone, the protocol of method.md section 4. The last epoch is tested: there
# is no validation split to choose an epoch on, and the test cities are none.
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

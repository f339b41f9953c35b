# SwiMDiff, ResNet-18, for hundreds of images in SeCo's layout and a machine without a GPU.
_base_ = [
    './_base_/models/swimdiff_r18_small.py',
    './_base_/datasets/seco_rgb_small.py',
    './_base_/schedules/adamw_cosine_100e_small.py',
    './_base_/default_runtime.py',
]
default_hooks = dict(logger=dict(interval=5))

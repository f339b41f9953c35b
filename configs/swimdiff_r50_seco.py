# The main config: SwiMDiff, ResNet-50, RGB, SeCo, batch 256 over all processes, 200 epochs.
_base_ = [
    './_base_/models/swimdiff_r50.py',
    './_base_/datasets/seco_rgb.py',
    './_base_/schedules/sgd_cosine_200e.py',
    './_base_/default_runtime.py',
]

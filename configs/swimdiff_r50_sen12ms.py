# SwiMDiff, ResNet-50, on SEN12MS in place of SeCo.
_base_ = [
    './_base_/models/swimdiff_r50.py',
    './_base_/datasets/sen12ms_rgb.py',
    './_base_/schedules/sgd_cosine_200e.py',
    './_base_/default_runtime.py',
]

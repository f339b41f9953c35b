_base_ = [
    './_base_/models/swimdiff_swin-t.py',
    './_base_/datasets/seco_rgb.py',
    './_base_/schedules/adamw_cosine_200e.py',
    './_base_/default_runtime.py',
]

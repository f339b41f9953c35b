# The main config with the views made in batches on the device instead of on CPU workers.
# Experimental: not measured on a GPU yet.
_base_ = [
    './_base_/models/swimdiff_r50.py',
    './_base_/datasets/seco_rgb_device-views.py',
    './_base_/schedules/sgd_cosine_200e.py',
    './_base_/default_runtime.py',
]

# SwiMDiff, ResNet-18, on a folder of pictures, with the recipe for small data of
# swimdiff_r18_seco-small.py:
#   python tools/train.py configs/swimdiff_r18_picture-scenes.py \
#       --cfg-options train_dataloader.dataset.data_root=DIR
_base_ = [
    './_base_/models/swimdiff_r18_small.py',
    './_base_/datasets/picture_scenes.py',
    './_base_/schedules/adamw_cosine_100e_small.py',
    './_base_/default_runtime.py',
]
default_hooks = dict(logger=dict(interval=5))
scale_recipe = True  # as in swimdiff_r18_raster-scenes.py

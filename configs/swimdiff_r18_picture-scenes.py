# SwiMDiff, ResNet-18, on a folder of pictures, with the recipe of
# swimdiff_r18_raster-scenes.py:
#   python tools/train.py configs/swimdiff_r18_picture-scenes.py \
#       --cfg-options train_dataloader.dataset.data_root=DIR
_base_ = [
    './_base_/models/swimdiff_r18_own.py',
    './_base_/datasets/picture_scenes.py',
    './_base_/schedules/adamw_cosine_600i_own.py',
    './_base_/iteration_runtime.py',
]
scale_recipe = True  # as in swimdiff_r18_raster-scenes.py

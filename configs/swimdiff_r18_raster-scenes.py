# SwiMDiff, ResNet-18, on a folder of one's own scenes, with the recipe for small data of
# swimdiff_r18_seco-small.py; it is what to start with, without a GPU too:
#   python tools/train.py configs/swimdiff_r18_raster-scenes.py \
#       --cfg-options train_dataloader.dataset.data_root=DIR
_base_ = [
    './_base_/models/swimdiff_r18_small.py',
    './_base_/datasets/raster_scenes_rgb.py',
    './_base_/schedules/adamw_cosine_100e_small.py',
    './_base_/default_runtime.py',
]
default_hooks = dict(logger=dict(interval=5))
# Queue, momentum of the key encoder and learning rate follow from the number of patches and the
# batch, as with `--scale-recipe`; False takes the values as they stand.
scale_recipe = True

# SwiMDiff, ResNet-18, on a folder of one's own scenes, with a recipe for half an hour
# of two cores (docs/evidence/defaults.md); what to start with, without a GPU too:
#   python tools/train.py configs/swimdiff_r18_raster-scenes.py \
#       --cfg-options train_dataloader.dataset.data_root=DIR
_base_ = [
    './_base_/models/swimdiff_r18_own.py',
    './_base_/datasets/raster_scenes_rgb.py',
    './_base_/schedules/adamw_cosine_600i_own.py',
    './_base_/iteration_runtime.py',
]
# Queue, momentum of the key encoder and learning rate follow from the number of patches and the
# batch, as with `--scale-recipe`; False takes the values as they stand.
scale_recipe = True

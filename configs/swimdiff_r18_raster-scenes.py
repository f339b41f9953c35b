# SwiMDiff, ResNet-18, on a folder of one's own scenes:
#   python tools/train.py configs/swimdiff_r18_raster-scenes.py \
#       --cfg-options train_dataloader.dataset.data_root=DIR
_base_ = [
    './_base_/models/swimdiff_r50.py',
    './_base_/datasets/raster_scenes_rgb.py',
    './_base_/schedules/sgd_cosine_200e.py',
    './_base_/default_runtime.py',
]
model = dict(backbone=dict(depth=18))

# Linear probe on own GeoTIFFs in one folder per class. Another checkpoint, another number of
# classes: --cfg-options model.backbone.init_cfg.checkpoint=FILE model.head.num_classes=N
_base_ = [
    '../../_base_/models/classifier_r18.py',
    '../../_base_/datasets/labelled_rasters_rgb.py',
    '../../_base_/schedules/adam_100e_probe.py',
    '../../_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(save_best='accuracy/top1'))

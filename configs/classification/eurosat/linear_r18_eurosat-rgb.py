# Linear probe on EuroSAT. Another checkpoint: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '../../_base_/models/classifier_r18.py',
    '../../_base_/datasets/eurosat_rgb.py',
    '../../_base_/schedules/adam_100e_probe.py',
    '../../_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(save_best='accuracy/top1'))

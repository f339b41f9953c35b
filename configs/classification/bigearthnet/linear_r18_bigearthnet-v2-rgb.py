# Linear probe on BigEarthNet v2, 19 classes; mAP micro and macro over the whole split.
_base_ = [
    '../../_base_/models/multilabel_classifier_r18.py',
    '../../_base_/datasets/bigearthnet-v2_rgb.py',
    '../../_base_/schedules/adam_100e_probe.py',
    '../../_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(save_best='multi-label/mAP_micro'))
auto_scale_lr = dict(base_batch_size=256)  # of this data set's loaders

_base_ = [
    '../../_base_/models/multilabel_classifier_r18.py',
    '../../_base_/datasets/bigearthnet_12band.py',
    '../../_base_/schedules/adam_100e_probe.py',
    '../../_base_/default_runtime.py',
]
init = dict(checkpoint='work_dirs/swimdiff_r50_seco-12band/epoch_200.pth', bands=_base_.bands)
model = dict(
    backbone=dict(depth=50, in_channels=12, init_cfg=init),
    head=dict(in_channels=2048),
)
default_hooks = dict(checkpoint=dict(save_best='multi-label/mAP_micro'))
auto_scale_lr = dict(base_batch_size=256)  # of this data set's loaders

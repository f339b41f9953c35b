# What `tools/quickstart.sh` runs: a ResNet-18 on one real Sentinel-2 scene, minutes on two CPU cores.
_base_ = './swimdiff_r18_seco.py'

view = _base_.view
view[0].scale = 64
model = dict(queue=dict(length=256), momentum_encoder=dict(momentum=0.99))
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    pin_memory=False,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(
        data_root='quickstart/data',
        pipeline=[
            dict(type='LoadSeCo'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=240)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
default_hooks = dict(
    logger=dict(interval=10, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=60, max_keep_ckpts=1),
)
log_processor = dict(by_epoch=False, window_size=10)
work_dir = 'quickstart/run'

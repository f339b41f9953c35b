# For backbones without batch norm (ConvNeXt, Swin): AdamW as MoCo v3 has it, at batch 256. The
# cosine spans whatever number of epochs is set; the warm-up is counted in iterations.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1.5e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=2000, by_epoch=False),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=200)
auto_scale_lr = dict(base_batch_size=256)

# The schedule for a folder of one's own scenes: 600 iterations of 64 patches, half an hour on two
# quiet cores whatever the size of the folder. More scenes are worth more iterations:
# train_cfg.max_iters=..., and the learning rate follows.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
)
train_cfg = dict(type='ResumableIterLoop', max_iters=600)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
auto_scale_lr = dict(base_batch_size=64)  # the values above, and of the model, are meant for it

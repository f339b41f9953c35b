# The OSCD protocol's schedule: Adam 1e-3, times 0.95 an epoch, 100 epochs at batch 32.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4),
)
param_scheduler = [dict(type='ExponentialLR', gamma=0.95, by_epoch=True)]
train_cfg = dict(type='swimdiff.ResumableEpochLoop', max_epochs=100)
auto_scale_lr = dict(base_batch_size=32)

# The schedule for hundreds of images and a machine without a GPU: AdamW at batch 32, 100 epochs.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=100)
auto_scale_lr = dict(base_batch_size=32)  # the values above, and of the model, are meant for it

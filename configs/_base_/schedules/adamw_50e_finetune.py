# Fine-tuning that suits all four backbones: AdamW at a small rate, five epochs of warm-up, cosine.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=5, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=5, T_max=45, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type='swimdiff.ResumableEpochLoop', max_epochs=50, val_interval=5)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=64)

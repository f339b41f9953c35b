# Batches of thousands: LARS with the rates of MoCo v3's ResNet-50 (arXiv 2104.02057): lr 0.3 at
# batch 256, which `tools/train.py --auto-scale-lr` scales; ten epochs of warm-up, cosine.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=0.3, momentum=0.9, weight_decay=1.5e-6),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=10, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=10, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=200)
auto_scale_lr = dict(base_batch_size=256)

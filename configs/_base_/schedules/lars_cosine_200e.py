# Batches of thousands: LARS with the rates of MoCo v3's ResNet-50 (arXiv 2104.02057): lr 0.3 at
# batch 256, linear in the batch, and a cosine. The warm-up is counted in
# iterations: 1000 are about ten epochs of 400,000 images at batch 4096.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='mmpretrain.LARS', lr=0.3, momentum=0.9, weight_decay=1.5e-6),
    # Biases and norms take plain SGD without decay; the names are those of ResNets and
    # of our own parts. Another backbone needs its own list.
    paramwise_cfg=dict(
        custom_keys={
            'bias': dict(decay_mult=0, lars_exclude=True),
            'bn': dict(decay_mult=0, lars_exclude=True),
            'norm': dict(decay_mult=0, lars_exclude=True),
            'downsample.1': dict(decay_mult=0, lars_exclude=True),
        }
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=1000, by_epoch=False),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=200)
auto_scale_lr = dict(base_batch_size=256)

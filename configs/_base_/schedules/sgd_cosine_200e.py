# MoCo v2's schedule: batch 256, learning rate 0.03, cosine over 200 epochs. The cosine spans
# whatever number of epochs is set.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=200)

# `tools/train.py --auto-scale-lr` scales the learning rate to the global batch that runs.
auto_scale_lr = dict(base_batch_size=256)

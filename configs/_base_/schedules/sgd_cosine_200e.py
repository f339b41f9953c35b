# MoCo v2's schedule: batch 256, learning rate 0.03, cosine over 200 epochs. The cosine spans
# whatever number of epochs is set.
#
# SeCo's own schedule is in steps (x 0.1 after 120 and 160 of 200 epochs), and its epochs count
# locations: each gives one sample per epoch. Ours count images, five dates per location: one epoch
# here is five of theirs, and 200 epochs here see as many samples as 1,000 of theirs. SeCo's length:
# max_epochs=40, param_scheduler=[dict(type='MultiStepLR', milestones=[24, 32], gamma=0.1)].
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=200)

# The batch of the values here. Another one is warned of; `tools/train.py --scale-recipe` scales
# learning rate, key encoder and queue to it (docs/how-to/scaling.md).
auto_scale_lr = dict(base_batch_size=256)

# SimSiam (arXiv 2011.10566) as mmpretrain has it: SGD, lr 0.05 at batch 256; the predictor keeps
# this rate to the end. Where the learning rate is scaled, scale that of the hook as well.
_base_ = [
    '../_base_/models/simsiam_r18.py',
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/sgd_cosine_200e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle
optim_wrapper = dict(
    optimizer=dict(lr=0.05),
    paramwise_cfg=dict(custom_keys={'predictor': dict(fix_lr=True)}),
)
# By iteration, as our schedules are: the engine's config sets it once per epoch.
custom_hooks = [
    dict(
        type='mmpretrain.SimSiamHook',
        priority='HIGH',
        fix_pred_lr=True,
        lr=0.05,
        adjust_by_epoch=False,
    )
]

# BYOL (arXiv 2006.07733) as mmpretrain has it for 200 epochs: LARS with lr 4.8 at batch 4096; here
# for batch 256: 4.8 / 16.
_base_ = [
    '../_base_/models/byol_r18.py',
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/lars_cosine_200e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle
optim_wrapper = dict(optimizer=dict(weight_decay=1e-6))

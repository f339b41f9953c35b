# SimCLR (arXiv 2002.05709) as mmpretrain has it: LARS, lr 0.3 at batch 256.
_base_ = [
    '../_base_/models/simclr_r18.py',
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/lars_cosine_200e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle
optim_wrapper = dict(optimizer=dict(weight_decay=1e-6))

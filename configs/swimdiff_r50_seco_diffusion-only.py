# Ablation: the diffusion constraint on plain momentum contrast, no scene-wide matching.
_base_ = './swimdiff_r50_seco.py'
model = dict(head=dict(rule='none'))
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle: mates are negatives here

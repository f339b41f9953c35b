# The baseline: no scene matching, no diffusion branch, MoCo v2 and nothing else.
_base_ = './swimdiff_r50_seco.py'
model = dict(head=dict(rule='none'), lambda_d=0)
train_dataloader = dict(sampler=dict(mates=None))  # a plain shuffle: mates are negatives here

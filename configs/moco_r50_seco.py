# Momentum contrast with the settings that SeCo has for it: tau 0.07, 16,384 keys. One thing differs
# from the parent: the sampler shuffles plainly, as there is nothing that mates would serve.
_base_ = './swimdiff_r50_seco_none.py'
train_dataloader = dict(sampler=dict(mates=None))

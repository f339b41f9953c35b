# Mates are images whose places are chained closer than 5 km, at any date:
# docs/concepts/sampling.md.
_base_ = './swimdiff_r50_seco.py'
train_dataloader = dict(dataset=dict(scene=dict(type='DistanceScene', metres=5000)))

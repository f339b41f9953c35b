# SimSiam with the half-width ResNet-18, the pictures and the schedule of the studies; in a
# plain shuffle, as the method asks for.
_base_ = ['./pictures_rsscn7.py', '../_base_/models/simsiam_r18.py']
model = dict(
    backbone=dict(stem_channels=32, base_channels=32),
    neck=dict(in_channels=256),
)
train_dataloader = dict(sampler=dict(mates=None))

# 10 % of the training labels, drawn once without replacement, stratified by the set of labels.
_base_ = './linear_r18_bigearthnet-rgb.py'
train_dataloader = dict(dataset=dict(fraction=0.1))

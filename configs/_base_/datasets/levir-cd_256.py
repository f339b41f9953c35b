# LEVIR-CD: 445, 64 and 128 pairs of 1024 x 1024 as 7120, 1024 and 2048 samples of 256 x 256.
# Pre-cut copies of 256 x 256 are read as they are.
_base_ = './change_pairs_256.py'

train_dataloader = dict(dataset=dict(type='LEVIRCD', data_root='data/levir-cd'))
val_dataloader = dict(dataset=dict(type='LEVIRCD', data_root='data/levir-cd'))
test_dataloader = dict(dataset=dict(type='LEVIRCD', data_root='data/levir-cd'))

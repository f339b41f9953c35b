# LEVIR-CD: 445, 64 and 128 pairs of 1024 x 1024 as 7120, 1024 and 2048 samples of 256 x 256.
# Pre-cut copies of 256 x 256 are read as they are, with A, B, label and list/{split}.txt too.
# LEVIR_CD_ROOT names the data without touching a config.
_base_ = './change_pairs_256.py'

data_root = '{{$LEVIR_CD_ROOT:data/levir-cd}}'

train_dataloader = dict(dataset=dict(type='LEVIRCD', data_root=data_root))
val_dataloader = dict(dataset=dict(type='LEVIRCD', data_root=data_root))
test_dataloader = dict(dataset=dict(type='LEVIRCD', data_root=data_root))

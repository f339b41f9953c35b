_base_ = './swimdiff_r50_seco.py'
model = dict(backbone=dict(depth=18))

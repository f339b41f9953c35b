# Ablation: keys of the query's own scene are full positives, however unlike the query they are.
_base_ = './swimdiff_r50_seco.py'
model = dict(head=dict(rule='positive'))

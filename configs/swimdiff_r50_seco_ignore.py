# Ablation: keys of the query's own scene leave the denominator instead of being labelled.
_base_ = './swimdiff_r50_seco.py'
model = dict(head=dict(rule='ignore'))

# Ablation: the diffusion constraint on plain momentum contrast, no scene-wide matching.
_base_ = './swimdiff_r50_seco.py'
model = dict(head=dict(rule='none'))

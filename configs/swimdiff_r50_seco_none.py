# Ablation: neither branch, with the sampler of the main config. One thing differs from the parent,
# and one from diffusion-only (lambda_d): the fourth corner of the square.
_base_ = './swimdiff_r50_seco_matching-only.py'
model = dict(head=dict(rule='none'))

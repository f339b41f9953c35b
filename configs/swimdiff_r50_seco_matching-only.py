# Ablation: scene-wide matching without the diffusion constraint. One thing differs from the parent.
_base_ = './swimdiff_r50_seco.py'
model = dict(lambda_d=0)

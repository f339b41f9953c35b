# Ablation: scene-wide matching without the diffusion constraint.
_base_ = './swimdiff_r50_seco.py'
model = dict(lambda_d=0)

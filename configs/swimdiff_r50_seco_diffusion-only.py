# Ablation: the diffusion constraint without scene matching. One thing differs from the parent: the
# rule; the sampler draws the same images in the same order, and mates are negatives.
_base_ = './swimdiff_r50_seco.py'
model = dict(head=dict(rule='none'))

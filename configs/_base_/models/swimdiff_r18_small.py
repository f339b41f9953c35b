# SwiMDiff for hundreds of images: ResNet-18, batch norm in the neck, a key encoder that follows
# faster and a short queue, so that some hundred steps show.
_base_ = './swimdiff_r50.py'
model = dict(
    backbone=dict(depth=18),
    neck=dict(batch_norm=True),
    momentum_encoder=dict(momentum=0.99),
    queue=dict(length=1024),
)

# What the studies on pictures start from: a half-width ResNet-18. One SwiMDiff model for all
# variants; a plan turns parts of it off.
_base_ = './pictures_rsscn7.py'

# Stated here or in the plan: what the toolkit's defaults become must not change what a study is
# about.
model = dict(
    type='SwiMDiff',
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=18,
        stem_channels=32,
        base_channels=32,
        in_channels=3,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN'),
    ),
    neck=dict(type='ProjectionNeck', out_channels=128, batch_norm=True),
    momentum_encoder=dict(type='MomentumEncoder', momentum=0.99),
    queue=dict(type='SceneQueue', length=4096),
    head=dict(type='SceneMatchingHead', rule='relative', temperature=0.1),
    diffusion=dict(
        type='DiffusionBranch',
        schedule=dict(type='NoiseSchedule', num_steps=1000, schedule='linear'),
        decoder=dict(type='DenoisingDecoder', levels=(0, 1, 2, 3), channels=(32, 48, 64, 96)),
        loss=dict(type='DiffusionLoss', prediction='eps', weighting='uniform'),
    ),
    lambda_c=1.0,
    lambda_d=1.0,
    channels_last=True,
)

# SwiMDiff on a ResNet-50 for three bands. A child that swaps the backbone states the backbone and
# nothing else: neck and decoder take channels and strides from what is built.
model = dict(
    type='SwiMDiff',
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=50,
        in_channels=3,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN'),
    ),
    neck=dict(type='ProjectionNeck', out_channels=128),
    momentum_encoder=dict(type='MomentumEncoder', momentum=0.999),
    queue=dict(type='SceneQueue', length=16384),
    head=dict(type='SceneMatchingHead', rule='relative', temperature=0.07),
    # docs/evidence/defaults.md has the reasons of each choice of the branch and of lambda_d.
    diffusion=dict(
        type='DiffusionBranch',
        schedule=dict(type='NoiseSchedule', num_steps=1000, schedule='linear', least_signal=0.2),
        decoder=dict(
            type='DenoisingDecoder',
            levels=(0, 1, 2, 3),
            channels=(32, 48, 64, 96),
            skip_noised=False,
            drop_levels=0.5,
        ),
        loss=dict(type='DiffusionLoss', prediction='x0', weighting='uniform'),
    ),
    lambda_c=1.0,
    lambda_d=3.0,
    channels_last=True,
)

# How the studies on Sentinel-2 score a backbone: kNN and linear probe on EuroSAT, from the last
# stage and from the one before it, and what the log says.
eurosat = dict(
    type='EuroSAT',
    data_root='{{$EUROSAT_ROOT:data/eurosat}}',
    pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
)
measurements = [
    dict(type='ProbeMeasurement', name='eurosat', dataset=eurosat, limit=12_000, divisions=2),
    dict(
        type='ProbeMeasurement',
        name='eurosat-stage2',
        dataset=eurosat,
        limit=12_000,
        divisions=2,
        stage=2,
    ),
    dict(
        type='ProbeMeasurement',
        name='eurosat-stage2-std',
        dataset=eurosat,
        limit=12_000,
        divisions=2,
        stage=2,
        pool='mean-std',
    ),
    dict(
        type='LogMeasurement',
        name='log',
        keys=[
            'loss_contrast',
            'loss_diffusion',
            'diffusion_relative_error',
            'scene_mates',
            'mates_mass',
            'positive_similarity',
            'key_rank',
            'feature_reliance',
            'feature_reliance_deepest',
            'gradient_share',
            'gradient_share_layer4',
        ],
    ),
]

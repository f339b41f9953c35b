# What the log of a training says about its health; for the measurements of a plan.
log = dict(
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
)

# Self-supervisors of mmpretrain beside ours at equal images: the same pictures, views, backbone,
# optimiser and schedule. The images come in a plain shuffle, as these methods ask for: their
# negatives are the batch, or nothing.
_base_ = ['./measurements_pictures.py']

base = 'base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
baseline = 'moco'

_backbone = dict(
    type='mmpretrain.ResNet',
    depth=18,
    stem_channels=32,
    base_channels=32,
    in_channels=3,
    norm_cfg=dict(type='BN'),
)
_norm = dict(type='BN1d')
_neck = dict(type='mmpretrain.NonLinearNeck', in_channels=256, norm_cfg=_norm)
_shuffle = {'train_dataloader.sampler.mates': None}
variants = {
    'moco': {'model.head.rule': 'none', 'model.lambda_d': 0},
    'moco-shuffled': {**_shuffle, 'model.head.rule': 'none', 'model.lambda_d': 0},
    'simclr': {
        **_shuffle,
        'model': dict(
            _delete_=True,
            type='mmpretrain.SimCLR',
            backbone=_backbone,
            neck=dict(_neck, hid_channels=256, out_channels=128),
            head=dict(
                type='mmpretrain.ContrastiveHead',
                loss=dict(type='mmpretrain.CrossEntropyLoss'),
                temperature=0.1,
            ),
        ),
    },
    'byol': {
        **_shuffle,
        'model': dict(
            _delete_=True,
            type='mmpretrain.BYOL',
            base_momentum=0.01,  # the share that is replaced: 0.99 is kept, as the base has it
            backbone=_backbone,
            neck=dict(_neck, hid_channels=1024, out_channels=128, with_last_bn=False),
            head=dict(
                type='mmpretrain.LatentPredictHead',
                predictor=dict(
                    type='mmpretrain.NonLinearNeck',
                    in_channels=128,
                    hid_channels=1024,
                    out_channels=128,
                    with_avg_pool=False,
                    with_last_bn=False,
                    norm_cfg=_norm,
                ),
                loss=dict(type='mmpretrain.CosineSimilarityLoss'),
            ),
        ),
    },
    'simsiam': {
        **_shuffle,
        'model': dict(
            _delete_=True,
            type='mmpretrain.SimSiam',
            backbone=_backbone,
            neck=dict(
                _neck,
                hid_channels=1024,
                out_channels=1024,
                num_layers=3,
                with_last_bn_affine=False,
            ),
            head=dict(
                type='mmpretrain.LatentPredictHead',
                predictor=dict(
                    type='mmpretrain.NonLinearNeck',
                    in_channels=1024,
                    hid_channels=256,
                    out_channels=1024,
                    with_avg_pool=False,
                    with_last_bn=False,
                    with_last_bias=True,
                    norm_cfg=_norm,
                ),
                loss=dict(type='mmpretrain.CosineSimilarityLoss'),
            ),
        ),
    },
}

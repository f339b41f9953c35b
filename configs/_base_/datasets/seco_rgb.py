# SeCo, visible bands, two views of one date at 224 pixels with the augmentation of MoCo v2. Weaker
# colour was better on small data (docs/evidence/defaults.md); on SeCo it has not been tried.
bands = ('B04', 'B03', 'B02')

view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=224, crop_ratio_range=(0.2, 1.0)),
    dict(
        type='MultiBandColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        prob=0.8,
    ),
    dict(type='RandomGrey', prob=0.2),
    dict(type='RandomBlur', sigma=(0.1, 2.0), prob=0.5),
    # Imagery seen from above has no upright direction.
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    # A plain shuffle gives 0.7 mates a query with SeCo-100k and 0.07 with 1M; 2 is all that five
    # dates per location allow (docs/concepts/sampling.md).
    sampler=dict(type='SceneSampler', mates=1.5),
    collate_fn=dict(type='default_collate'),
    worker_init_fn=dict(type='swimdiff.single_threaded_worker'),
    dataset=dict(
        type='SeCo',
        data_root='data/seco',
        bands=bands,
        samples='dates',
        views_from='same_date',
        scene=dict(type='LocationScene'),
        stretch=True,
        max_unreadable=0.0,
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)

data_preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='seco')

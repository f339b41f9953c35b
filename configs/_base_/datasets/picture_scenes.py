# A folder of pictures without georeference (JPEG, PNG, TIFF of 8 bits), each of them a scene: 64 px
# views of 96 px patches, with gentle colour. PICTURES_ROOT names the folder without touching a
# config; docs/how-to/data.md has the options.
bands = ('B04', 'B03', 'B02')

view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.3, 1.0)),
    dict(
        type='MultiBandColorJitter',
        brightness=0.1,
        contrast=0.1,
        saturation=0.2,
        hue=0,
        prob=0.8,
    ),
    # Seen from above there is no upright direction.
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,  # or the pictures that a worker keeps are lost with every epoch
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='SceneSampler', mates=4),
    collate_fn=dict(type='default_collate'),
    worker_init_fn=dict(type='swimdiff.single_threaded_worker'),
    dataset=dict(
        type='PictureScenes',
        data_root='{{$PICTURES_ROOT:data/pictures}}',
        patch=96,
        stride=32,
        bands=bands,
        scene=dict(type='FileScene'),
        max_unreadable=0.0,
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)

data_preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='pictures')

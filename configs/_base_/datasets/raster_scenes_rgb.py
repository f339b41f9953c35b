# A folder of one's own scenes (GeoTIFF, COG, JPEG 2000, VRT, Sentinel-2 SAFE), visible bands; 64 px
# views of overlapping 96 px patches with gentle colour (docs/evidence/defaults.md). The line to
# change is data_root; docs/how-to/rasters.md has layouts and options.
import os

# Cores that this process may use; containers and clusters give fewer than the machine has.
cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1

bands = ('B04', 'B03', 'B02')

view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=64, crop_ratio_range=(0.3, 1.0)),
    dict(type='MultiBandColorJitter', brightness=0.1, contrast=0.1, saturation=0.2, prob=0.8),
    # Imagery seen from above has no upright direction.
    dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomQuarterTurn'),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=max(1, min(8, cores - 1)),  # one core is for the training itself
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='SceneSampler', mates=4),
    collate_fn=dict(type='default_collate'),
    worker_init_fn=dict(type='swimdiff.single_threaded_worker'),
    dataset=dict(
        type='RasterScenes',
        data_root='data/scenes',
        bands=bands,
        patch=96,  # pixels of the finest band; or patch_metres=960
        stride=48,
        unit='reflectance x 10000',
        stats='s2_l2a',  # level 1C: 's2_l1c'; other sensors: a file of compute_stats.py
        # The same ground is one scene, whatever file, tile or UTM zone it is cut from.
        scene=dict(type='BlockScene', metres=10_000),
        max_unreadable=0.0,
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)

data_preprocessor = dict(type='MultiBandPreprocessor', bands=bands, stats='s2_l2a')

# A folder of one's own scenes (GeoTIFF, COG, JPEG 2000, VRT, Sentinel-2 SAFE), visible bands; views
# for small data. The line to change is data_root; docs/how-to/rasters.md has layouts and options.
import os

_base_ = ['./seco_rgb_small.py']

# Cores that this process may use; containers and clusters give fewer than the machine has.
cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1

train_dataloader = dict(
    num_workers=max(1, min(8, cores - 1)),  # one core is for the training itself
    dataset=dict(
        type='RasterScenes',
        data_root='data/scenes',
        patch=264,  # pixels of the finest band; or patch_metres=2640
        unit='reflectance x 10000',
        stats='s2_l2a',  # level 1C: 's2_l1c'; other sensors: a file of compute_stats.py
        # The same ground is one scene, whatever file, tile or UTM zone it is cut from.
        scene=dict(type='BlockScene', metres=10_000),
    ),
)

data_preprocessor = dict(stats='s2_l2a')

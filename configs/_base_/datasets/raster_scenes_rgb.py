# A folder of one's own scenes (GeoTIFF, COG, JPEG 2000, VRT, Sentinel-2 SAFE), visible bands; views
# as with SeCo. The line to change is data_root; docs/rasters.md has the layouts and all options.
_base_ = ['./seco_rgb.py']

train_dataloader = dict(
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

# Own rasters with polygons (or masks) of land cover; children name the list and the classes.
_base_ = [
    '../_base_/models/landcover-upernet_r18.py',
    '../_base_/datasets/raster_labels.py',
    '../_base_/schedules/adam_exponential_100e.py',
    '../_base_/default_runtime.py',
]
train_cfg = dict(val_interval=10)
auto_scale_lr = dict(base_batch_size=16)

# The recipe for one's own scenes as it is shipped, at full width: what do the parts of the method
# give to it? Two dates of the 20 cities of OSCD that are not held out.
_base_ = ['../measurements_eurosat.py', '../parts.py']

base = '../../swimdiff_r18_raster-scenes.py'
images = 38_400
seeds = [0, 1, 2]
overrides = {
    'train_dataloader.dataset.data_root': '{{$OSCD_IMAGES:data/oscd}}',
    'train_dataloader.dataset.exclude': ['*beihai*', '*bordeaux*', '*cupertino*', '*saclay_e*'],
    'train_dataloader.dataset.stats': 's2_l1c',
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'data_preprocessor.stats': 's2_l1c',
    # What `scale_recipe` makes of 5,106 patches.
    'model.momentum_encoder.momentum': 0.983642,
    'model.queue.length': 2496,
    'default_hooks.feature_reliance.interval': 100,
    'default_hooks.gradient_share.interval': 100,
}

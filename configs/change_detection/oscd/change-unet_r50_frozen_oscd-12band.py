# The 12 bands of pre-training with all bands (OSCD's B10 is left out), by name.
_base_ = './change-unet_r50_frozen_oscd.py'
bands = ('B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B11', 'B12')
weights = dict(checkpoint='work_dirs/swimdiff_r50_seco-12band/epoch_200.pth', bands=bands)
model = dict(backbone=dict(backbone=dict(in_channels=12, init_cfg=weights)))
data_preprocessor = dict(bands=bands)
train_dataloader = dict(dataset=dict(bands=bands))
test_dataloader = dict(dataset=dict(bands=bands))

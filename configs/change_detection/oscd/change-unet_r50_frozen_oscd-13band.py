# All 13 bands of OSCD with the 12-band checkpoint: B10, which pre-training had not, gets the mean
# kernel of the first convolution.
_base_ = './change-unet_r50_frozen_oscd-12band.py'
bands = ('B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B10', 'B11', 'B12')
weights = dict(bands=bands, adapt_bands=True)
model = dict(backbone=dict(backbone=dict(in_channels=13, init_cfg=weights)))
data_preprocessor = dict(bands=bands)
train_dataloader = dict(dataset=dict(bands=bands))
test_dataloader = dict(dataset=dict(bands=bands))

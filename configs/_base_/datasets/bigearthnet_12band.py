# All twelve bands of BigEarthNet on the 10 m grid; everything else as with the visible bands.
_base_ = ['./bigearthnet_rgb.py']

bands = (
    'B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B11', 'B12',
)  # fmt: skip

train_dataloader = dict(dataset=dict(bands=bands))
val_dataloader = dict(dataset=dict(bands=bands))
test_dataloader = dict(dataset=dict(bands=bands))
data_preprocessor = dict(bands=bands)

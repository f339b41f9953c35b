# EuroSAT, the 13-band files without B10 (which SeCo's level-2A images lack), each band stretched
# between the quantiles of level 1C.
_base_ = ['./eurosat_rgb.py']

bands = (
    'B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B11', 'B12',
)  # fmt: skip
data_root = '{{$EUROSAT_MS_ROOT:data/eurosat_ms}}'

train_dataloader = dict(dataset=dict(data_root=data_root, bands=bands))
val_dataloader = dict(dataset=dict(data_root=data_root, bands=bands))
test_dataloader = dict(dataset=dict(data_root=data_root, bands=bands))
data_preprocessor = dict(bands=bands, stats='oscd')

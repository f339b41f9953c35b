# What a plan on pictures does on a GPU: views on the device; the pictures stay in memory as they do
# on a CPU. It counts for the hash of a cell, so that a plan that has results keeps what it has.
_base_ = ['./view_pictures.py']

on_gpu = {
    'train_dataloader.dataset.pipeline': [dict(type='LoadPatch'), dict(type='PackViews')],
    'train_dataloader.num_workers': 4,
    'data_preprocessor.type': 'DeviceViews',
    'data_preprocessor.transforms': _base_.view,
    'data_preprocessor.channels_last': True,
}

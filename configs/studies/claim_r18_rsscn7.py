# Three times the length on a ResNet-18 of full width, with the decoder of full width. A GPU, where
# there is one, makes the views, too.
_base_ = ['./measurements_pictures.py', './branch_r18-half.py', './view_pictures.py', './parts.py']

base = 'base_r18-half_rsscn7.py'
images = 72_000
seeds = [0, 1, 2]

overrides = {
    'model.backbone.stem_channels': 64,
    'model.backbone.base_channels': 64,
    'model.diffusion.decoder.channels': (32, 48, 64, 96),
}
on_gpu = {
    'train_dataloader.dataset.pipeline': [dict(type='LoadPatch'), dict(type='PackViews')],
    'train_dataloader.num_workers': 4,
    'data_preprocessor.type': 'DeviceViews',
    'data_preprocessor.transforms': _base_.view,
    'data_preprocessor.channels_last': True,
}

# Three times the length on a ResNet-18 of full width, with the decoder of full width.
_base_ = ['./measurements_pictures.py', './branch_r18-half.py', './parts.py']

base = 'base_r18-half_rsscn7.py'
images = 72_000
seeds = [0, 1, 2]

overrides = {
    'model.backbone.stem_channels': 64,
    'model.backbone.base_channels': 64,
    'model.diffusion.decoder.channels': (32, 48, 64, 96),
}

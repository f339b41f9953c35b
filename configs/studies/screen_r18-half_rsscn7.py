# A first look at the choices that the paper leaves open, at half of the length of the claim: the
# label rule, what the decoder is asked for and fed with, and the strength of the colour changes.
_base_ = ['./measurements_pictures.py']

base = 'base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1]
baseline = 'moco'

_plain = {'model.head.rule': 'none', 'model.lambda_d': 0}
_x0 = {
    'model.lambda_d': 5,
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.schedule.least_signal': 0.2,
}
_jitter = 'train_dataloader.dataset.pipeline.1.transforms.1'
variants = {
    'moco': _plain,
    'relative': {'model.lambda_d': 0},
    # the first default: noise is predicted, x_t is a skip
    'eps': {'model.head.rule': 'none', 'model.diffusion.decoder.skip_noised': True},
    'x0-deepest': {**_x0, 'model.head.rule': 'none', 'model.diffusion.decoder.levels': (3,)},
    'x0-drop': {**_x0, 'model.head.rule': 'none', 'model.diffusion.decoder.drop_levels': 0.5},
    'relative-x0-drop': {**_x0, 'model.diffusion.decoder.drop_levels': 0.5},
    'positive': {'model.head.rule': 'positive', 'model.lambda_d': 0},
    'moco-gentle': {**_plain, f'{_jitter}.brightness': 0.1, f'{_jitter}.contrast': 0.1},
}

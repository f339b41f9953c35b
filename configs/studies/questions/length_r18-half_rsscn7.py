# Does three times the length of the claim tell SwiMDiff from momentum contrast?
_base_ = ['../measurements_pictures.py', '../branch_r18-half.py', '../parts.py']

base = '../base_r18-half_rsscn7.py'
images = 72_000
seeds = [0, 1, 2, 3, 4, 5]

variants = {
    'moco-shuffled': {
        'model.head.rule': 'none',
        'model.lambda_d': 0,
        'train_dataloader.sampler.mates': None,
    },
    'quarter': {'model.diffusion.share': 0.25},  # the branch sees a quarter of each batch
    'deepest': {'model.diffusion.decoder.levels': (3,)},  # the decoder gets the last stage alone
}

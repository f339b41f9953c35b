# MAE (arXiv 2111.06377) as mmpretrain has it, with a ViT-S and a decoder of 3 blocks of width 256.
# It takes one view and the augmentation of the paper, crop and flips (here quarter turns as well),
# instead of two. `out_type` is what the probe reads; it has no effect on training.
_base_ = [
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/adamw_cosine_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='mmpretrain.MAE',
    backbone=dict(
        type='mmpretrain.MAEViT',
        arch='deit-s',
        img_size=224,
        patch_size=16,
        mask_ratio=0.75,
        out_type='avg_featmap',
    ),
    neck=dict(
        type='mmpretrain.MAEPretrainDecoder',
        num_patches=196,
        patch_size=16,
        in_chans=3,
        embed_dim=384,
        decoder_embed_dim=256,
        decoder_depth=3,
        decoder_num_heads=8,
    ),
    head=dict(
        type='mmpretrain.MAEPretrainHead',
        norm_pix=True,
        patch_size=16,
        in_channels=3,
        loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L2'),
    ),
)
train_dataloader = dict(
    sampler=dict(mates=None),  # a plain shuffle
    dataset=dict(
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='mmpretrain.RandomResizedCrop', scale=224, crop_ratio_range=(0.2, 1.0)),
            dict(type='mmcv.RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='mmcv.RandomFlip', prob=0.5, direction='vertical'),
            dict(type='RandomQuarterTurn'),
            dict(type='mmpretrain.PackInputs', meta_keys=('scene_id', 'sample_idx', 'date')),
        ],
    ),
)
optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.95)))

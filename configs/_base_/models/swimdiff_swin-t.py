_base_ = './swimdiff_r50.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.SwinTransformer',
        arch='tiny',
        in_channels=3,
        out_indices=(0, 1, 2, 3),
        pad_small_map=True,
        drop_path_rate=0.1,
    ),
)

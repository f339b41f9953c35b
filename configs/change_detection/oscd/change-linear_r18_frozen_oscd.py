# Linear: one 1x1 convolution over the differences of all levels, brought to the finest size.
_base_ = './change-unet_r18_frozen_oscd.py'
model = dict(
    decode_head=dict(
        type='mmseg.FCNHead',
        input_transform='resize_concat',
        in_index=(0, 1, 2, 3, 4),
        channels=64 + 64 + 128 + 256 + 512,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
    )
)

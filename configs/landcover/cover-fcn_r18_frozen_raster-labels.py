# A 1x1 head over all levels: little to train, for few polygons.
_base_ = './cover-upernet_r18_frozen_raster-labels.py'
model = dict(
    decode_head=dict(
        type='mmseg.FCNHead',
        input_transform='resize_concat',
        channels=64 + 128 + 256 + 512,
        num_convs=0,
        concat_input=False,
    )
)

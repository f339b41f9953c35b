# What the studies on Sentinel-2 start from: a half-width ResNet-18 on patches of 20 cities of OSCD,
# two dates each, as a folder of one's own scenes; the four cities that the holdout configs of OSCD
# score are left out. A scene is a block of ground of 10 km: fifty blocks, a hundred patches each.
_base_ = './base_r18-half_rsscn7.py'

_crop, _colour, *_turns = _base_.view
view = [_crop, dict(_colour, brightness=0.1, contrast=0.1), *_turns]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RasterScenes',
        data_root='{{$OSCD_IMAGES:data/oscd}}',
        bands=('B04', 'B03', 'B02'),
        exclude=['*beihai*', '*bordeaux*', '*cupertino*', '*saclay_e*'],
        patch=96,
        stride=48,
        unit='reflectance x 10000',
        stats='s2_l1c',
        scene=dict(type='BlockScene', metres=10_000),
        pipeline=[
            dict(type='LoadPatch'),
            dict(type='TwoViews', transforms=view),
            dict(type='PackViews'),
        ],
    ),
)
data_preprocessor = dict(stats='s2_l1c')

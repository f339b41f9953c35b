from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from swimdiff.datasets.change.tiles import cut, tile_windows
from swimdiff.engine.evaluation.change_picture_hook import ChangePictureHook
from swimdiff.errors import ConfigError
from swimdiff.visualization.change_picture import COLOURS, error_map, show_rgb

RUNNER = SimpleNamespace(logger=MMLogger.get_current_instance())
SHAPE = (300, 260)  # large enough not to be enlarged


def data(shape=SHAPE):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 6), dtype=np.uint8)
    mask = (rng.random(shape) < 0.3).astype(np.uint8)
    prediction = (rng.random(shape) < 0.3).astype(np.uint8)
    return image, mask, prediction


def feed(hook, tile, bands=('B04', 'B03', 'B02'), labelled=True):
    image, mask, prediction = data()
    inputs, outputs = [], []
    for window in tile_windows(SHAPE, tile):
        inputs.append(torch.from_numpy(cut(image, window, 0).transpose(2, 0, 1).copy()))
        meta = dict(image_id='town', full_shape=SHAPE, window=window, band_names=bands)
        sample = SegDataSample(metainfo=meta)
        values = torch.from_numpy(cut(prediction, window, 0))[None]
        sample.pred_sem_seg = PixelData(data=values.float())
        if labelled:
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(cut(mask, window, 255))[None])
        outputs.append(sample)
    hook.before_test(RUNNER)
    hook.after_test_iter(RUNNER, 0, dict(inputs=inputs), outputs)
    hook.after_test(RUNNER)


@pytest.mark.parametrize('tile', [None, 96])
def test_panels_hold_the_whole_image(tmp_path, tile):
    feed(ChangePictureHook(str(tmp_path), enable=True), tile)
    assert [path.name for path in tmp_path.iterdir()] == ['town.png']
    sheet = np.asarray(Image.open(tmp_path / 'town.png'))
    image, mask, prediction = data()
    top = 2 * (16 + 6)
    panels = [sheet[top : top + 300, 6 + i * 266 : 6 + i * 266 + 260] for i in range(5)]
    assert np.array_equal(panels[0], image[..., :3])
    assert np.array_equal(panels[1], image[..., 3:])
    assert np.array_equal(panels[2][..., 0], 255 * mask)
    assert np.array_equal(panels[3][..., 0], 255 * prediction)
    for colour, hit, change in (
        ('change found', 1, 1),
        ('no change', 0, 0),
        ('false alarm', 1, 0),
        ('missed change', 0, 1),
    ):
        where = (prediction == hit) & (mask == change)
        assert (panels[4][where] == COLOURS[colour]).all()


def test_without_a_mask_three_panels(tmp_path):
    feed(ChangePictureHook(str(tmp_path), enable=True), 96, labelled=False)
    assert Image.open(tmp_path / 'town.png').width == 3 * 266 + 6


def test_nothing_is_written_unless_asked(tmp_path):
    feed(ChangePictureHook(), 96)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match='out_dir'):
        ChangePictureHook(enable=True)


def test_error_colours_differ_and_unknown_is_marked():
    assert len(set(COLOURS.values())) == 5
    picture = error_map(np.array([[1, 0]]), np.array([[255, 255]]))
    assert (picture == COLOURS['not scored']).all()


def test_rgb_is_found_by_name():
    date = np.arange(4, dtype=np.uint8)[None, None]
    assert show_rgb(date, ('B02', 'B8A', 'B03', 'B04')).tolist() == [[[3, 2, 0]]]
    assert show_rgb(date[..., :1], ('B11',)).tolist() == [[[0, 0, 0]]]

import pytest
import torch
from mmengine.registry import init_default_scope

from swimdiff.bands import SENTINEL2
from swimdiff.errors import BandError, ConfigError
from swimdiff.registry import MODELS


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')


def build(**options):
    return MODELS.build(dict(type='ChangePreprocessor', **options))


def test_both_dates_get_the_imagenet_numbers_of_their_colour():
    images = torch.randint(0, 256, (2, 6, 8, 8), dtype=torch.uint8)
    out = build(bands=('B04', 'B03', 'B02'), stats='oscd')(dict(inputs=list(images)))['inputs']
    mean = torch.tensor([0.485, 0.456, 0.406] * 2).view(6, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225] * 2).view(6, 1, 1)
    torch.testing.assert_close(out, (images / 255 - mean) / std)


def test_13_bands_follow_their_names():
    names = tuple(SENTINEL2)
    images = torch.randint(0, 256, (1, 26, 4, 4), dtype=torch.uint8)
    out = build(bands=names, stats='oscd')(dict(inputs=images))['inputs']
    order = [12, 0, 5]
    chosen = [*order, *(13 + i for i in order)]
    some = build(bands=[names[i] for i in order], stats='oscd')
    torch.testing.assert_close(some(dict(inputs=images[:, chosen]))['inputs'], out[:, chosen])


def test_there_and_back():
    images = torch.randint(0, 256, (1, 6, 4, 4), dtype=torch.uint8)
    model = build(bands=('B04', 'B03', 'B02'))
    assert torch.equal(model.destandardise(model.standardise(images)), images)


def test_one_date_and_mixed_sizes_are_refused():
    model = build(bands=('B04', 'B03', 'B02'))
    with pytest.raises(BandError, match='two dates of 3'):
        model(dict(inputs=torch.zeros(1, 3, 4, 4)))
    with pytest.raises(ConfigError, match='different sizes'):
        model(dict(inputs=[torch.zeros(6, 4, 4), torch.zeros(6, 5, 4)]))

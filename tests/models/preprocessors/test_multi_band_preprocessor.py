"""The multi-band preprocessor: standardising by name, batches of every form, checkpoints."""

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate
from mmpretrain.structures import DataSample

from swimdiff.bands import get_stats
from swimdiff.errors import BandError, ConfigError
from swimdiff.models import MultiBandPreprocessor

BANDS = ('B8', 'B04', 'B1', 'B11')


def batch(views=2, count=3, size=8):
    torch.manual_seed(0)
    return [
        torch.randint(0, 256, (count, len(BANDS), size, size), dtype=torch.uint8)
        for _ in range(views)
    ]


def by_hand(images):
    stats = get_stats('seco')
    names = ('B08', 'B04', 'B01', 'B11')
    mean = np.array([stats.mean[name] for name in names])[:, None, None]
    std = np.array([stats.std[name] for name in names])[:, None, None]
    return (images.numpy() - mean) / std


def test_two_views():
    views, samples = batch(), [DataSample(metainfo=dict(scene_id=i)) for i in range(3)]
    done = MultiBandPreprocessor(BANDS)(dict(inputs=views, data_samples=samples), training=True)
    assert set(done) == {'inputs', 'data_samples'}
    for view, standard in zip(views, done['inputs'], strict=True):
        assert standard.dtype == torch.float32
        np.testing.assert_allclose(standard, by_hand(view), rtol=1e-5, atol=1e-5)
    assert [sample.scene_id for sample in done['data_samples']] == [0, 1, 2]


def test_every_form_of_a_batch_means_the_same():
    preprocessor = MultiBandPreprocessor(BANDS)
    views = batch()
    items = [dict(inputs=[views[0][i], views[1][i]]) for i in range(3)]
    expected = preprocessor(dict(inputs=views))
    assert expected['data_samples'] is None
    for collate in (default_collate, pseudo_collate):
        found = preprocessor(collate(items))['inputs']
        assert len(found) == 2
        assert all(torch.equal(a, b) for a, b in zip(found, expected['inputs'], strict=True))
    one = expected['inputs'][0]
    assert torch.equal(preprocessor(dict(inputs=views[0]))['inputs'], one)
    assert torch.equal(preprocessor(dict(inputs=list(views[0])))['inputs'], one)


def test_and_back():
    preprocessor, (images, _) = MultiBandPreprocessor(BANDS), batch()
    restored = preprocessor.destandardise(preprocessor.standardise(images))
    assert restored.dtype == torch.uint8 and torch.equal(restored, images)
    beyond = torch.full((4, 2, 2), 1e3)
    assert preprocessor.destandardise(beyond).eq(255).all()


def test_own_statistics_by_name():
    preprocessor = MultiBandPreprocessor(
        ['B04', 'B8'], mean={'B8': 10, 'B4': 20}, std={'B08': 2, 'B04': 4}
    )
    images = torch.full((1, 2, 1, 1), 30, dtype=torch.uint8)
    assert preprocessor(dict(inputs=images))['inputs'].flatten().tolist() == [2.5, 10.0]


def test_wrong_statistics():
    with pytest.raises(BandError, match='No std given for B08'):
        MultiBandPreprocessor(['B8'], mean={'B8': 1}, std={'B4': 1})
    with pytest.raises(ConfigError, match='both mean and std'):
        MultiBandPreprocessor(['B8'], mean={'B8': 1})
    with pytest.raises(ConfigError, match='above 0'):
        MultiBandPreprocessor(['B8'], mean={'B8': 1}, std={'B8': 0})


def test_wrong_number_of_channels():
    with pytest.raises(BandError, match=r'3 channels .* expects 4: B08, B04, B01, B11'):
        MultiBandPreprocessor(BANDS)(dict(inputs=torch.zeros(1, 3, 2, 2)))


def test_checkpoints_hold_nothing_of_it():
    """So a checkpoint loads strictly beside any other preprocessor."""
    assert not MultiBandPreprocessor(BANDS).state_dict()
    MultiBandPreprocessor(['B04']).load_state_dict(
        MultiBandPreprocessor(BANDS).state_dict(), strict=True
    )


def test_buffers_follow_the_device():
    """Checked on the meta device, which every machine has."""
    preprocessor = MultiBandPreprocessor(BANDS).to('meta')
    done = preprocessor(dict(inputs=batch()))
    assert {view.device.type for view in done['inputs']} == {'meta'}
    assert preprocessor.device.type == 'meta'


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu():
    preprocessor = MultiBandPreprocessor(BANDS).cuda()
    view = preprocessor(dict(inputs=batch()))['inputs'][1]
    np.testing.assert_allclose(view.cpu(), by_hand(batch()[1]), rtol=1e-5, atol=1e-5)

import numpy as np
import pytest
import torch
from fixtures.embeddings import BANDS, open_embedder, write_backbone
from fixtures.yardsticks import build_plain

from swimdiff.bands import get_stats
from swimdiff.errors import BandError, ConfigError, RasterError
from swimdiff.inference.embedding import Embedder


def by_hand(path, pixels, stats, stage=-1, deviation=False):
    """Vectors of N x C x H x W pixels in the unit of the statistics, step by step."""
    low, high, mean, std = (
        np.array(stats.select(table, BANDS))[:, None, None]
        for table in ('low', 'high', 'mean', 'std')
    )
    stretched = np.floor(np.clip((pixels - low) / (high - low), 0, 1) * 255)
    inputs = torch.from_numpy((stretched - mean) / std).float()
    backbone = build_plain(3)
    state = torch.load(path, weights_only=True)['state_dict']
    backbone.load_state_dict({name.removeprefix('backbone.'): v for name, v in state.items()})
    with torch.no_grad():
        maps = backbone(inputs)[stage].numpy()
    flat = maps.reshape(*maps.shape[:2], -1)
    mean = flat.mean(axis=2)
    return np.concatenate([mean, flat.std(axis=2)], axis=1) if deviation else mean


def test_vectors_are_those_of_every_step_by_hand(tmp_path):
    embedder = open_embedder(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 4000, (5, 3, 48, 40)).astype(np.uint16)
    wanted = by_hand(tmp_path / 'backbone.pth', pixels, get_stats('oscd'))
    assert (wanted > 0.01).any(axis=1).all()
    found = embedder.embed(pixels)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(embedder.embed(pixels[0]), wanted[0], rtol=1e-4, atol=1e-4)
    # Bands by name, more than needed, in reflectance instead of reflectance x 10000.
    more = np.stack([pixels[:, 2], pixels[:, 0], pixels[:, 1] * 0, pixels[:, 1]], axis=1) / 10_000
    names = ('B2', 'B4', 'B8', 'B3')
    found = embedder.embed(more, names, 'reflectance')
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_vectors_of_an_earlier_stage(tmp_path):
    last = open_embedder(tmp_path)
    path = tmp_path / 'backbone.pth'
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 3, 48, 40)).astype(np.uint16)
    keys = {last.key}
    for stage, pool in ((2, 'mean'), (0, 'mean'), (2, 'mean-std'), (None, 'mean-std')):
        embedder = Embedder(path, stage=stage, pool=pool)
        place = -1 if stage is None else stage
        wanted = by_hand(path, pixels, get_stats('oscd'), place, pool == 'mean-std')
        np.testing.assert_allclose(embedder.embed(pixels), wanted, rtol=1e-4, atol=1e-4)
        assert (embedder.describe()['stage'], embedder.describe()['pool']) == (stage, pool)
        keys.add(embedder.key)
    assert len(keys) == 5
    with pytest.raises(ConfigError, match=r'stage=4: the backbone of .*backbone.pth, mmpretrain'):
        Embedder(path, stage=4)
    with pytest.raises(ConfigError, match="pool='max'; expected one of mean, mean-std"):
        Embedder(path, pool='max')


def test_values_of_another_unit_are_refused_where_none_is_given(tmp_path):
    embedder = open_embedder(tmp_path)
    dark = np.random.default_rng(0).integers(0, 200, (2, 3, 32, 32))
    for images in (dark.astype(np.uint8), dark / 200):
        with pytest.raises(RasterError, match=r'98 % quantile of 260 to 20000\. Declare unit='):
            embedder.embed(images)
    water = embedder.embed(dark, unit='reflectance x 10000')  # said so: only a warning
    assert water.shape[0] == 2


def test_wrong_units_bands_and_shapes_are_refused(tmp_path):
    embedder = open_embedder(tmp_path)
    images = np.zeros((1, 3, 32, 32), np.uint8)
    with pytest.raises(ConfigError, match="unit='feet': expected one of 'reflectance x 10000'"):
        embedder.embed(images, unit='feet')
    with pytest.raises(BandError, match='lack B02'):
        embedder.embed(images, ('B04', 'B03', 'B08'))
    with pytest.raises(BandError, match='4 channels'):
        embedder.embed(np.zeros((1, 4, 32, 32)))
    with pytest.raises(ConfigError, match='Expected N x C x H x W'):
        embedder.embed(np.zeros((32, 32)))
    with pytest.raises(ConfigError, match="device='moon' cannot be used"):
        Embedder(tmp_path / 'backbone.pth', 'moon')


def test_the_key_follows_weights_and_statistics(tmp_path):
    keys = set()
    for name, stats in (('a', 'oscd'), ('b', 'oscd'), ('c', 's2_l2a')):
        write_backbone(tmp_path / name, stats=stats)
        keys.add(Embedder(tmp_path / name).key)
    assert len(keys) == 2
    content = torch.load(tmp_path / 'a', weights_only=True)
    content['state_dict']['backbone.conv1.weight'][0, 0, 0, 0] += 1
    torch.save(content, tmp_path / 'd')
    assert Embedder(tmp_path / 'd').key not in keys


def test_a_network_of_unstretched_pictures_takes_them_as_they_are(tmp_path):
    write_backbone(tmp_path / 'backbone.pth')
    content = torch.load(tmp_path / 'backbone.pth', weights_only=True)
    bands = {
        band: dict(low=0.0, high=255.0, mean=100.0, std=50.0) for band in ('B04', 'B03', 'B02')
    }
    own = dict(name='own', unit='as stored, no stretch', source='', bands=bands)
    content['meta']['input_statistics'] = own
    torch.save(content, tmp_path / 'own.pth')
    embedder = Embedder(tmp_path / 'own.pth')
    assert embedder.choose_unit(None) == '0..255'
    assert embedder.stretch_tables('0..255', 'uint8') is None
    with pytest.raises(ConfigError, match="'as stored, no stretch'"):
        embedder.choose_unit('reflectance')

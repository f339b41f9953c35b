"""The worked example of docs/archives.md, run as it is written: an archive of a stranger's own."""

import pickle
import re

import numpy as np
import pytest
from fixtures.packs import pack_dataset
from fixtures.runs import ROOT

from swimdiff.datasets.index import Patch
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError
from swimdiff.registry import DATASETS, SOURCES

LOAD = [dict(type='LoadPatch')]


@pytest.fixture(scope='module')
def classes():
    """What the page defines, registered as by a module of the user."""
    page = (ROOT / 'docs' / 'archives.md').read_text()
    (example,) = re.findall(r'```python\n(import os\n.*?)```', page, re.S)
    names = {'__name__': 'stranger'}
    exec(example, names)
    yield names
    SOURCES.module_dict.pop('NumpySource')
    DATASETS.module_dict.pop('NumpyScenes')


@pytest.fixture
def tree(tmp_path):
    rng = np.random.default_rng(0)
    for location in ('01', '02', '07'):
        (tmp_path / 'tree' / location).mkdir(parents=True)
        for date in ('20200101', '20210703'):
            pixels = rng.integers(1, 4000, (4, 24, 24)).astype(np.uint16)
            np.save(tmp_path / 'tree' / location / f'{date}.npy', pixels)
    return tmp_path / 'tree'


def build(root, **options):
    return DATASETS.build(dict(type='NumpyScenes', data_root=str(root), **options))


def test_it_reads_bands_dates_and_scenes(classes, tree):
    dataset = build(tree, bands=('B08', 'B02'), stretch=False, pipeline=LOAD)
    assert len(dataset) == 6 and dataset.scene_ids().tolist() == [0, 0, 1, 1, 2, 2]
    item = dataset[3]
    pixels = np.load(tree / '02' / '20210703.npy')
    np.testing.assert_array_equal(item['img'], pixels[[3, 0]].transpose(1, 2, 0))
    assert item['date'] == ['20210703'] and item['location'] == '02'
    with pytest.raises(BandError, match='has no B05; it has B02, B03, B04, B08'):
        build(tree, bands=['B05'])
    with pytest.raises(DatasetNotFoundError):
        build(tree / 'none')


def test_a_loaded_sample_holds_no_reader(classes, tree):
    """What leaves the loading transform is arrays, names and numbers."""
    sample = build(tree, pipeline=LOAD)[0]
    assert set(sample) == {
        *('img', 'img_shape', 'img_path', 'band_names'),
        *('location', 'date', 'scene_id', 'sample_idx'),
    }


def test_a_patch_reads_all_dates_and_may_be_sent(classes, tree):
    dataset = build(tree, stretch=False)
    patch = Patch(dataset.source, tuple(dataset.index.rows(2)))
    assert patch.dates == ['20200101', '20210703']
    assert [path.rsplit('/', 2)[1] for path in patch.paths] == ['07', '07']
    _, second = patch.read(['B03'])
    np.testing.assert_array_equal(second[0], np.load(tree / '07' / '20210703.npy')[1])
    images = patch.read_images(['B03', 'B08'], size=12)
    assert [image.shape for image in images] == [(12, 12, 2)] * 2


def test_a_patch_of_the_package_is_small_when_sent(shared_seco_root):
    from swimdiff.datasets import SeCo

    dataset = SeCo(str(shared_seco_root))
    dataset.full_init()
    patch = Patch(dataset.source, (0, 1))
    sent = pickle.dumps(patch)
    assert len(sent) < 3000
    for ours, theirs in zip(pickle.loads(sent).read(['B04']), patch.read(['B04']), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_its_pack_is_read_by_the_same_data_set(classes, tree, tmp_path):
    pack_dataset(build(tree), tmp_path / 'pack')
    raw, packed = (build(root, pipeline=LOAD) for root in (tree, tmp_path / 'pack'))
    for ours, theirs in zip(packed, raw, strict=True):
        np.testing.assert_array_equal(ours['img'], theirs['img'])
        assert ours['date'] == theirs['date'] and ours['scene_id'] == theirs['scene_id']
    with pytest.raises(ConfigError, match='is a pack of the data set NumpyScenes'):
        DATASETS.build(dict(type='SeCo', data_root=str(tmp_path / 'pack')))

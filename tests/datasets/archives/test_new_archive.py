"""An archive of a stranger's own: a source and a data set, read raw and from a pack."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from fixtures.packs import pack_dataset

from swimdiff.datasets import SeCo
from swimdiff.datasets.archives import ScenePatches
from swimdiff.datasets.index import Patch, PatchIndex, PatchSource, Strings
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError
from swimdiff.registry import DATASETS, SOURCES

LOAD = [dict(type='LoadPatch')]


class NumpySource(PatchSource):
    """root/LOCATION/YYYYMMDD.npy, 4 x H x W uint16."""

    bands = ('B02', 'B03', 'B04', 'B08')
    dtype = 'uint16'
    unit = 'reflectance x 10000'

    def __init__(self, data_root, level='A'):
        self.root = Path(data_root)
        self.level = level
        if not self.root.is_dir():
            raise DatasetNotFoundError(f'data_root {self.root} does not exist.')

    @classmethod
    def list_packed_options(cls, **options):
        return dict(layout=f'numpy {options["level"]}')

    def key(self):
        return dict(layout=f'numpy {self.level}')

    def build(self):
        names = sorted(path.name for path in self.root.iterdir() if path.name.isdigit())
        dates = [sorted(os.listdir(self.root / name)) for name in names]
        times = [os.stat(self.root / name).st_mtime_ns for name in ('', *names)]
        pairs = [(n, d) for n, own in zip(names, dates, strict=True) for d in own]
        return PatchIndex(
            locations=Strings.of(names),
            paths=Strings.of(f'{name}/{date}' for name, date in pairs),
            first=np.cumsum([0, *map(len, dates)]),
            watched=Strings.of(['', *names]),
            times=np.array(times),
        )

    def read(self, rows, bands):
        arrays = [np.load(self.path(row)) for row in rows]
        return [[array[self.bands.index(band)] for band in bands] for array in arrays]

    def date(self, path):
        return Path(path).stem


class NumpyScenes(ScenePatches):
    """Patches in NumPy files; each location is a scene."""

    def __init__(self, data_root, level='A', **kwargs):
        source = dict(type='NumpySource', level=level)
        super().__init__(data_root, source, **{'stats': 's2_l2a', **kwargs})


@pytest.fixture(autouse=True)
def classes():
    SOURCES.register_module(module=NumpySource)
    DATASETS.register_module(module=NumpyScenes)
    yield
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


def test_it_reads_bands_dates_and_scenes(tree):
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


def test_a_loaded_sample_holds_no_reader(tree):
    """What leaves the loading transform is arrays, names and numbers."""
    sample = build(tree, pipeline=LOAD)[0]
    assert set(sample) == {
        *('img', 'img_shape', 'img_path', 'band_names'),
        *('location', 'date', 'scene_id', 'sample_idx'),
    }


def test_a_patch_reads_all_dates_and_may_be_sent(tree):
    dataset = build(tree, stretch=False)
    patch = Patch(dataset.source, tuple(dataset.index.rows(2)))
    assert patch.dates == ['20200101', '20210703']
    assert [path.rsplit('/', 2)[1] for path in patch.paths] == ['07', '07']
    _, second = patch.read(['B03'])
    np.testing.assert_array_equal(second[0], np.load(tree / '07' / '20210703.npy')[1])
    images = patch.read_images(['B03', 'B08'], size=12)
    assert [image.shape for image in images] == [(12, 12, 2)] * 2


def test_a_patch_of_the_package_is_small_when_sent(shared_seco_root):
    dataset = SeCo(str(shared_seco_root))
    dataset.full_init()
    patch = Patch(dataset.source, (0, 1))
    sent = pickle.dumps(patch)
    assert len(sent) < 3000
    for ours, theirs in zip(pickle.loads(sent).read(['B04']), patch.read(['B04']), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_its_pack_is_read_by_the_same_data_set(tree, tmp_path):
    pack_dataset(build(tree), tmp_path / 'pack')
    raw, packed = (build(root, pipeline=LOAD) for root in (tree, tmp_path / 'pack'))
    for ours, theirs in zip(packed, raw, strict=True):
        np.testing.assert_array_equal(ours['img'], theirs['img'])
        assert ours['date'] == theirs['date'] and ours['scene_id'] == theirs['scene_id']
    with pytest.raises(ConfigError, match='is a pack of the data set NumpyScenes'):
        DATASETS.build(dict(type='SeCo', data_root=str(tmp_path / 'pack')))
    with pytest.raises(ConfigError, match='is a pack of numpy A, and the config asks for numpy B'):
        build(tmp_path / 'pack', level='B')

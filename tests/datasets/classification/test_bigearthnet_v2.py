"""BigEarthNet v2 in its released layout, against what was written."""

import builtins
import shutil

import numpy as np
import pytest
from fixtures.bigearthnet import SIDES, pixels
from fixtures.bigearthnet_v2 import LABELS, PRODUCTS, SPLITS, name_of, table, write_table, write_v2

from swimdiff.bands import get_stats
from swimdiff.datasets.classification.corine import CLASSES_19
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError, LayoutError
from swimdiff.registry import DATASETS

pytest.importorskip('pyarrow', reason='an optional package (swimdiff[maps])')
LOAD = [dict(type='LoadBigEarthNet', size=120)]


@pytest.fixture
def root(tmp_path, scope):
    return write_v2(tmp_path / 'v2')


def build(root, **options):
    config = dict(type='BigEarthNetV2', data_root=str(root), pipeline=LOAD) | options
    return DATASETS.build(config)


def names(data):
    return [data.get_data_info(i)['img_path'].rsplit('/', 1)[1] for i in range(len(data))]


def test_parts_labels_and_folders_are_those_of_the_table(root):
    for part, word in dict(train='train', val='validation', test='test').items():
        data = build(root, split=part)
        numbers = [n for n in range(8) if SPLITS[n % 4] == word]
        assert names(data) == sorted(map(name_of, numbers))
        for info in (data.get_data_info(i) for i in range(len(data))):
            number = int(info['img_path'].rsplit('_', 2)[1])
            assert [CLASSES_19[i] for i in info['gt_label']] == LABELS[number % 3]
            assert f'/BigEarthNet-S2/{PRODUCTS[number % 2]}/' in info['patch_dir']
    split = data.metainfo['split']
    assert split.startswith('bigearthnet-v2@') and split.endswith('/test')
    assert data.metainfo['classes'] == CLASSES_19


def test_pixels_of_all_bands(root):
    data = build(root, split='val', bands=tuple(SIDES))
    number, image = int(names(data)[0].rsplit('_', 2)[1]), data[0]['img']
    stats = get_stats('seco')
    for channel, band in enumerate(SIDES):
        if SIDES[band] == 120:
            value = pixels(number, band).astype(float) * 255 / 10_000
            low, high = (getattr(stats, name)[band] for name in ('low', 'high'))
            expected = np.clip((value - low) / (high - low), 0, 1) * 255
            assert np.abs(image[..., channel] - expected).max() < 8, band  # whole steps of 8 bits
    assert image.shape == (120, 120, 12) and image.dtype == np.uint8


@pytest.mark.parametrize('place', ['', 'BigEarthNet-S2'])
def test_the_folder_of_the_products_will_do_and_maps_are_no_images(root, place):
    assert len(build(root / place)) == 4


def test_patches_under_snow_or_cloud_are_left_out(root):
    covered = [number in (0, 4) for number in range(8)]
    other = write_table(root / 'other.parquet', table(8, contains_cloud_or_shadow=covered))
    data = build(root, metadata=str(other))
    assert names(data) == sorted(map(name_of, (1, 5)))
    assert len(build(root, metadata='other.parquet')) == 2  # a path below the root


def test_patches_that_are_missing_are_refused_or_named_in_the_score(root):
    shutil.rmtree(root / 'BigEarthNet-S2' / PRODUCTS[0] / name_of(4))
    with pytest.raises(
        LayoutError, match=rf'names 1 of 4 patches .* example {name_of(4)}'
    ) as error:
        len(build(root))
    assert 'incomplete=True' in str(error.value)
    data = build(root, incomplete=True)
    assert len(data) == 3 and data.metainfo['split'].endswith('/train-cut3of4')
    shutil.rmtree(root / 'BigEarthNet-S2' / PRODUCTS[1])
    with pytest.raises(LayoutError, match=r'names 2 of 2 patches.*completely\.$'):
        len(build(root, split='test', incomplete=True))


def test_a_share_is_drawn_once(root):
    assert names(build(root, limit=2)) == names(build(root, fraction=0.5))
    assert build(root, limit=2).metainfo['split'].endswith('/train-cut2of4')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(split=['train'] * 7 + ['held-out']), r"split 'held-out'. Expected one of train"),
        (dict(labels=[['Pastures']] * 7 + [['Airports']]), "has the label 'Airports'"),
        (dict(labels=[['Pastures']] * 7 + [[]]), 'has no labels'),
        (dict(patch_id=[name_of(0)] * 8), 'more than once'),
    ],
)
def test_tables_of_another_kind(root, changes, message):
    write_table(root / 'metadata.parquet', table(8, **changes))
    with pytest.raises(LayoutError, match=message):
        len(build(root))


def test_damaged_and_missing_tables(root):
    path = root / 'metadata.parquet'
    columns = table(8)
    del columns['labels']
    write_table(path, columns)
    with pytest.raises(LayoutError, match=r'metadata\.parquet has no labels; it has patch_id'):
        len(build(root))
    whole = write_table(path, table(8)).read_bytes()
    for damaged in (b'', whole[:200], whole[:-4], b'<html>' * 50, whole[:4] + bytes(300)):
        path.write_bytes(damaged)
        with pytest.raises(LayoutError, match=r'metadata\.parquet .*cannot be read'):
            len(build(root))
    path.unlink()
    with pytest.raises(LayoutError, match=r'metadata\.parquet is missing.*zenodo\.org'):
        build(root)


def test_without_pyarrow_the_extra_is_named(root, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split('.')[0] == 'pyarrow':
            raise ImportError("No module named 'pyarrow'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ConfigError, match=r"pip install 'swimdiff\[maps\]'"):
        len(build(root))


def test_wrong_options_and_places(root, tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r'BigEarthNet-S2/'):
        build(tmp_path / 'nowhere')
    with pytest.raises(ConfigError, match="split='validation'"):
        build(root, split='validation')
    with pytest.raises(BandError, match='BigEarthNet has no B10'):
        build(root, bands=('B10',))
    with pytest.raises(LayoutError, match="Read v2 with type='BigEarthNetV2'"):
        DATASETS.build(dict(type='BigEarthNet', data_root=str(root)))

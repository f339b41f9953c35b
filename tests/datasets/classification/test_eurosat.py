import json
import os
import shutil

import numpy as np
import pytest
from fixtures.eurosat import CLASSES, FILE_BANDS, level, write_ms, write_rgb
from PIL import Image

from swimdiff.bands import get_stats
from swimdiff.errors import BandError, DatasetNotFoundError, LayoutError, RasterError
from swimdiff.registry import DATASETS

PIPELINE = [dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')]


@pytest.fixture
def root(tmp_path, scope):
    return write_rgb(tmp_path / 'eurosat')


def build(root, **options):
    return DATASETS.build(dict(type='EuroSAT', data_root=str(root), pipeline=PIPELINE, **options))


def test_parts_pixels_and_labels(root):
    parts = {part: build(root, split=part) for part in ('train', 'val', 'test')}
    assert {part: len(data) for part, data in parts.items()} == dict(train=30, val=10, test=10)
    tags = {data.metainfo['split'].rsplit('/')[0] for data in parts.values()}
    assert len(tags) == 1
    assert parts['test'].metainfo['split'].endswith('/test')
    seen = set()
    for data in parts.values():
        for i in range(len(data)):
            info = data.get_data_info(i)
            seen.add(info['img_path'])
            assert CLASSES[info['gt_label']] == info['img_path'].split('/')[-2]
    assert len(seen) == 50
    item = parts['val'][3]
    with Image.open(item['data_samples'].img_path) as picture:
        expected = np.asarray(picture)
    assert (item['inputs'].permute(1, 2, 0).numpy() == expected).all()
    assert item['data_samples'].gt_label.tolist() == [parts['val'].get_data_info(3)['gt_label']]


def test_bands_are_chosen_by_name(root):
    red, swapped = build(root)[0]['inputs'], build(root, bands=('B2', 'B4'))[0]['inputs']
    assert (swapped[1] == red[0]).all()
    assert (swapped[0] == red[2]).all()


def test_thirteen_bands_have_b8a_last(tmp_path, scope):
    bands = ('B8A', 'B09', 'B10', 'B08', 'B04')
    data = build(write_ms(tmp_path / 'ms'), bands=bands)
    info = data.get_data_info(4)
    label, number = info['img_path'].split('/')[-1][:-4].rsplit('_', 1)
    image = data[4]['inputs']
    stats = get_stats('oscd')
    for channel, band in zip(image, bands, strict=True):
        value = level(label, int(number), band)
        low, high = stats.low[band], stats.high[band]
        expected = int(min(max((value - low) / (high - low), 0), 1) * 255)
        assert channel.unique().tolist() == [expected], band
    assert FILE_BANDS.index('B8A') == 12


def test_fraction_and_limit_are_stratified(root):
    half = build(root, fraction=0.5)
    assert len(half) == 15
    counts = np.bincount([half.get_data_info(i)['gt_label'] for i in range(15)], minlength=10)
    assert set(counts) <= {1, 2}
    assert len(build(root, limit=10, seed=1)) == 10
    assert half.metainfo['samples'] == 15


def test_users_lists(root, tmp_path):
    lists = tmp_path / 'lists'
    lists.mkdir()
    (lists / 'eurosat-train.txt').write_text('Forest_1.jpg\nRiver/River_2.jpg\n')
    (lists / 'eurosat-test.txt').write_text('Forest_2.tif\n')
    data = build(root, split_dir=str(lists), split_counts=dict(train=2, test=1))
    assert [data.get_data_info(i)['gt_label'] for i in range(2)] == [1, 8]
    assert data.metainfo['split'].startswith('lists@')
    with pytest.raises(LayoutError, match='train has 2 samples, expected 3'):
        build(root, split_dir=str(lists), split_counts=dict(train=3))
    (lists / 'eurosat-test.txt').write_text('Forest_99.jpg\n')
    with pytest.raises(LayoutError, match=r'1 of 1 images that are not in .*Forest_99'):
        build(root, split='test', split_dir=str(lists))


def test_a_file_name_that_is_no_text_is_drawn_into_a_split_like_others(root):
    folder = os.fsencode(next(root.rglob(f'{CLASSES[0]}_1.jpg')).parent)
    old = os.path.join(folder, f'{CLASSES[0]}_1.jpg'.encode())
    os.rename(old, os.path.join(folder, f'{CLASSES[0]}_'.encode() + b'\xe9.jpg'))
    for _ in range(2):  # drawn and written, then read
        parts = [build(root, split=part) for part in ('train', 'val', 'test')]
        names = [part.get_data_info(i)['img_path'] for part in parts for i in range(len(part))]
        assert len(names) == len(set(names)) == 50
        assert sum('\udce9' in name for name in names) == 1


def test_missing_root(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r'(?s)does not exist.*AnnualCrop_1.jpg.*zenodo'):
        build(tmp_path / 'nowhere')


def test_only_the_archive(tmp_path):
    (tmp_path / 'EuroSAT_RGB.zip').write_text('')
    with pytest.raises(LayoutError, match=r'the archive EuroSAT_RGB.zip: unpack it'):
        build(tmp_path)


def test_folder_that_is_not_eurosats(root):
    (root / '2750' / 'River').rename(root / '2750' / 'Rivers')
    with pytest.raises(LayoutError, match=r'2750 .*not of EuroSAT: Rivers; missing: River'):
        build(root)


def test_empty_class(root):
    shutil.rmtree(root / '2750' / 'Forest')
    (root / '2750' / 'Forest').mkdir()
    with pytest.raises(LayoutError, match=r'Forest holds no image'):
        build(root)


def test_drawing_from_fewer_than_published_is_said_once(root, monkeypatch):
    said = []
    splits = 'swimdiff.datasets.classification.splits'
    monkeypatch.setattr(
        f'{splits}.print_log', lambda line, *_, **__: said.append(line) if 'holds' in line else 0
    )
    build(root)
    build(root)
    assert len(said) == 1
    assert '2750 holds 50 images, EuroSAT 27000: the split is drawn from these' in said[0]
    shutil.rmtree(root / 'splits')
    monkeypatch.setattr('swimdiff.datasets.classification.eurosat._PUBLISHED', 50)
    build(root)
    assert len(said) == 1


def test_split_of_a_partial_tree(root):
    build(root)
    (root / '2750' / 'Forest' / 'Forest_6.jpg').write_bytes(
        (root / '2750' / 'Forest' / 'Forest_1.jpg').read_bytes()
    )
    with pytest.raises(LayoutError, match='drawn from 50 images; there are 51 now'):
        build(root)
    (root / '2750' / 'Forest' / 'Forest_1.jpg').unlink()
    with pytest.raises(LayoutError, match=r'50 now in .*some with other names'):
        build(root)
    (record,) = root.rglob('split.json')  # of a version that kept the number alone
    content = json.loads(record.read_text())
    del content['drawn_from']
    record.write_text(json.dumps(content))
    with pytest.raises(LayoutError, match='names 1 of'):
        [build(root, split=part) for part in ('train', 'val', 'test')]


def test_archive_of_all_bands_as_it_unpacks(tmp_path, scope):
    write_ms(tmp_path / 'all/ds/images/remote_sensing/otherDatasets/sentinel_2')
    data = build(tmp_path / 'all', bands=('B08',))
    assert len(data) == 18 and data[0]['inputs'].shape == (1, 64, 64)


@pytest.mark.parametrize('which', ['first', 'later'])
def test_tiles_of_80_pixels_are_refused(root, which):
    folder = root / '2750' / 'Forest'
    path = folder / ('Forest_1.jpg' if which == 'first' else 'Forest_3.jpg')
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(path)
    error = LayoutError if which == 'first' else RasterError
    with pytest.raises(error, match=rf'{path.name} is 80 x 80 pixels. Expected .*64 x 64'):
        [item for part in ('train', 'val', 'test') for item in build(root, split=part)]


def test_a_cut_has_another_name(root):
    assert build(root, split='test', limit=4).metainfo['split'].endswith('/test-cut4of10')
    assert build(root, split='test', indices=3).metainfo['split'].endswith('/test-cut3of10')


def test_band_that_rgb_lacks(root):
    with pytest.raises(BandError, match=r'RGB version of EuroSAT.*asked for B08'):
        build(root, bands=('B04', 'B08'))


def test_truncated_picture(root):
    data = build(root)
    path = data.get_data_info(0)['img_path']
    with open(path, 'r+b') as file:
        file.truncate(500)
    with pytest.raises(RasterError, match=r'AnnualCrop_\d.jpg \(500 bytes\) cannot be read'):
        data[0]

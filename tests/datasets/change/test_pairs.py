import re
import shutil

import numpy as np
import pytest
from fixtures.change import pair, write_levir
from mmengine.registry import init_default_scope
from PIL import Image

from swimdiff.datasets.change import LEVIRCD, ChangePairs
from swimdiff.datasets.change.tiles import tile_windows
from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError, RasterError

LOAD = [dict(type='LoadChangePair')]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')


def test_official_layout_pixels_and_labels(levir_root):
    dataset = LEVIRCD(str(levir_root), split='test', pipeline=LOAD)
    assert len(dataset) == 3
    first, second, mask = pair('test', 1, 128)
    item = dataset[1]
    assert item['image_id'] == 'test_2'
    assert np.array_equal(item['img'][..., :3], first)
    assert np.array_equal(item['img'][..., 3:], second)
    assert np.array_equal(item['gt_seg_map'], mask // 255)
    assert dataset.metainfo['split'] == 'test'


def test_1024_is_cut_into_16_and_256_is_left_whole(tmp_path):
    large = LEVIRCD(str(write_levir(tmp_path / 'large', 1, 1024)), tile=256, pipeline=LOAD)
    assert len(large) == 16
    _, second, mask = pair('train', 0, 1024)
    item = large[6]  # second row, third column
    assert item['window'] == (256, 512, 256, 256)
    assert np.array_equal(item['img'][..., 3:], second[256:512, 512:768])
    assert np.array_equal(item['gt_seg_map'], mask[256:512, 512:768] // 255)
    small = LEVIRCD(str(write_levir(tmp_path / 'small', 2, 256)), tile=256, pipeline=LOAD)
    assert len(small) == 2
    assert small[0]['img'].shape == (256, 256, 6)


def test_other_folders_suffixes_and_jpeg_masks(tmp_path):
    _, second, mask = pair('train', 0, 64)
    for part, picture in (('t1', second), ('t2', second), ('mask', mask)):
        folder = tmp_path / 'train' / part
        folder.mkdir(parents=True)
        suffix = 'tif' if part == 't1' else 'jpg'
        Image.fromarray(picture).save(folder / f'7.{suffix}', quality=60)
    folders = dict(date1='t1', date2='t2', label='mask')
    item = ChangePairs(str(tmp_path), folders=folders, pipeline=LOAD)[0]
    assert np.array_equal(item['img'][..., :3], second)
    assert set(np.unique(item['gt_seg_map'])) == {0, 1}
    assert (item['gt_seg_map'] != mask // 255).mean() < 0.02


def test_shared_folders_with_list_files(tmp_path, levir_root):
    flat = tmp_path / 'flat'
    shutil.copytree(levir_root / 'train', flat)
    (flat / 'list').mkdir()
    (flat / 'list' / 'val.txt').write_text('train_3.png\ntrain_1\n')
    options = dict(layout='{part}', list_file='list/{split}.txt', pipeline=LOAD)
    dataset = ChangePairs(str(flat), split='val', **options)
    assert [item['image_id'] for item in dataset] == ['train_3', 'train_1']
    with pytest.raises(LayoutError, match=r'list.test\.txt is missing'):
        ChangePairs(str(flat), split='test', **options)
    (flat / 'list' / 'test.txt').write_text('\n')
    with pytest.raises(LayoutError, match="'test' is empty"):
        ChangePairs(str(flat), split='test', **options)


def test_listed_names_with_spaces_and_dots_and_twice(tmp_path, levir_root):
    flat = tmp_path / 'flat'
    shutil.copytree(levir_root / 'train', flat)
    for part in ('A', 'B', 'label'):
        (flat / part / 'train_1.png').rename(flat / part / 'North field 1.png')
        (flat / part / 'train_2.png').rename(flat / part / 'v1.2.png')
    options = dict(layout='{part}', list_file='list/train.txt', pipeline=LOAD)
    (flat / 'list').mkdir()
    (flat / 'list/train.txt').write_text('North field 1.png\r\n\nv1.2\n')
    dataset = ChangePairs(str(flat), **options)
    assert [item['image_id'] for item in dataset] == ['North field 1', 'v1.2']
    (flat / 'list/train.txt').write_text('train_3.png\nNorth field 1\ntrain_3\n')
    with pytest.raises(LayoutError, match=r"train\.txt names 'train_3' more than once"):
        ChangePairs(str(flat), **options)


@pytest.mark.parametrize('options', [dict(layout='{part}'), dict(list_file='names.txt')])
def test_splits_that_would_be_the_same_pictures_are_refused(tmp_path, levir_root, options):
    flat = tmp_path / 'flat'
    shutil.copytree(levir_root / 'train', flat)
    (flat / 'names.txt').write_text('train_1\n')
    for split in ('train', 'val', 'test'):
        with pytest.raises(ConfigError, match='would be the same pictures') as error:
            ChangePairs(str(flat), split=split, **options)
    assert "list_file='list/{split}.txt'" in str(error.value)
    # The advice, taken: lists, or everything.
    (flat / 'list').mkdir()
    (flat / 'list' / 'test.txt').write_text('train_2\n')
    lists = dict(options, list_file='list/{split}.txt')
    assert len(ChangePairs(str(flat), split='test', **lists)) == 1
    assert len(ChangePairs(str(flat), split='all', layout='{part}')) == 3
    assert len(ChangePairs(str(flat), split='all')) == 3


def test_precut_copies_read_by_their_root_alone(tmp_path, levir_root):
    flat = tmp_path / 'LEVIR-CD256'
    shutil.copytree(levir_root / 'train', flat)
    with pytest.raises(LayoutError, match=r'list.train\.txt is missing'):
        LEVIRCD(str(flat))
    (flat / 'list').mkdir()
    (flat / 'list' / 'train.txt').write_text('train_1.png\ntrain_3.png\n')
    (flat / 'list' / 'test.txt').write_text('train_2.png\n')
    assert [item['image_id'] for item in LEVIRCD(str(flat))] == ['train_1', 'train_3']
    assert [item['image_id'] for item in LEVIRCD(str(flat), split='test')] == ['train_2']
    with pytest.raises(LayoutError, match=r"val.txt is missing; there are \['test.txt', 'train"):
        LEVIRCD(str(flat), split='val')
    shutil.copytree(flat / 'A', flat / 'train' / 'A')
    with pytest.raises(LayoutError, match='Say which is meant'):
        LEVIRCD(str(flat))


def test_a_cut_of_a_split_has_another_name(levir_root):
    cut = LEVIRCD(str(levir_root), split='test', indices=2)
    assert len(cut) == 2 and cut.metainfo['split'] == 'test-cut2of3'
    whole = LEVIRCD(str(levir_root), split='test')
    assert whole.get_subset([0]).metainfo['split'] == 'test-cut1of3'
    assert whole.metainfo['split'] == 'test'
    whole.get_subset_(-1)
    assert whole.metainfo['split'] == 'test-cut1of3'


def test_without_labels_only_when_asked(levir_root):
    shutil.rmtree(levir_root / 'test' / 'label')
    with pytest.raises(LayoutError, match=r'test.label is missing'):
        LEVIRCD(str(levir_root), split='test')
    item = LEVIRCD(str(levir_root), split='test', masks='optional', pipeline=LOAD)[0]
    assert 'gt_seg_map' not in item


def test_missing_root_shows_the_tree_and_the_source(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r'(?s)nowhere.*train/label.*authors'):
        LEVIRCD(str(tmp_path / 'nowhere'))


def test_unknown_split_says_what_is_there(levir_root):
    with pytest.raises(LayoutError, match=r"\['test', 'train', 'val'\]"):
        LEVIRCD(str(levir_root), split='valid')


@pytest.mark.parametrize('part', ['A', 'B', 'label'])
def test_one_side_missing(levir_root, part):
    path = levir_root / 'train' / part / 'train_2.png'
    path.unlink()
    with pytest.raises(LayoutError, match=re.escape(str(path.with_suffix('')))):
        LEVIRCD(str(levir_root))


@pytest.mark.parametrize('part', ['B', 'label'])
def test_another_size(levir_root, part):
    path = levir_root / 'train' / part / 'train_2.png'
    Image.open(path).crop((0, 0, 128, 120)).save(path)
    expected = re.escape(f'{path} is 128 x 120 pixels. Expected 128 x 128')
    with pytest.raises(RasterError, match=expected):
        LEVIRCD(str(levir_root))


def test_empty_split(levir_root):
    for path in (levir_root / 'train').rglob('*.png'):
        path.unlink()
    with pytest.raises(LayoutError, match="'train' is empty"):
        LEVIRCD(str(levir_root))


def test_truncated_picture_and_wrong_label_values(levir_root):
    path = levir_root / 'train' / 'B' / 'train_1.png'
    path.write_bytes(path.read_bytes()[:2000])
    dataset = LEVIRCD(str(levir_root), pipeline=LOAD)
    with pytest.raises(RasterError, match=re.escape(str(path))):
        dataset[0]
    # Replaced after the data set was built, and before.
    label = levir_root / 'train' / 'label' / 'train_2.png'
    Image.fromarray(np.full((128, 128), 3, np.uint8)).save(label)
    with pytest.raises(RasterError, match=r'train_2\.png holds the values \[3\]'):
        dataset[1]
    with pytest.raises(RasterError, match=r'train_2\.png holds the values \[3\]'):
        LEVIRCD(str(levir_root))
    label.unlink()
    shutil.copy(levir_root / 'train' / 'label' / 'train_1.png', label)
    path.write_bytes(b'')
    with pytest.raises(RasterError, match=re.escape(str(path))):
        LEVIRCD(str(levir_root))


def test_pictures_of_16_bit_are_refused_and_jpeg_noise_is_no_change(levir_root):
    path = levir_root / 'train' / 'A' / 'train_1.png'
    Image.fromarray(np.full((128, 128), 3000, np.uint16)).save(path)
    with pytest.raises(RasterError, match=r'train_1\.png is .* 16 bits'):
        LEVIRCD(str(levir_root), pipeline=LOAD)
    shutil.copy(levir_root / 'train' / 'B' / 'train_1.png', path)
    label = levir_root / 'train' / 'label' / 'train_2.png'
    label.unlink()
    Image.fromarray(np.ones((128, 128), np.uint8)).save(label.with_suffix('.jpg'), quality=100)
    assert LEVIRCD(str(levir_root), pipeline=LOAD)[1]['gt_seg_map'].max() == 0


def test_no_window_lies_outside():
    for stride in (10, 30, 50, 70):
        starts = [window[0] for window in tile_windows((100, 10), 10, stride)]
        assert starts == list(range(0, 100, stride))


@pytest.mark.parametrize('part', ['A', 'B', 'label'])
def test_a_zeroed_block_in_a_png_is_refused(tmp_path, part):
    """The size of the file is right; Pillow decodes what is there without a word."""
    root = write_levir(tmp_path, 1, 128)
    path = root / 'train' / part / 'train_1.png'
    data = bytearray(path.read_bytes())
    start = len(data) * 2 // 3
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(RasterError, match=rf'{part}/train_1\.png cannot be read'):
        LEVIRCD(str(root), tile=None, pipeline=LOAD)[0]

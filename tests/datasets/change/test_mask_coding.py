"""What the grey values of change masks mean: hand-worked cases, whole sets, pictures refused."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from fixtures.change import pair, write_levir
from mmengine.registry import init_default_scope
from osgeo import gdal
from PIL import Image

from swimdiff.datasets.change import LEVIRCD, ChangePairs
from swimdiff.datasets.change.images import look_at_mask, read_mask, read_rgb
from swimdiff.datasets.change.mask_coding import MaskCoding, MaskLook, decide_coding
from swimdiff.errors import ConfigError, RasterError

LOAD = [dict(type='LoadChangePair')]
LABELS = MaskCoding((0,), (1,), (255,))


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')


def look(*values, path='m.png', **options):
    return MaskLook(path, dict.fromkeys(values, 50), **options)


def save_masks(root, split, *masks):
    """Replace the masks of a LEVIR tree by others."""
    for index, mask in enumerate(masks, start=1):
        Image.fromarray(mask).save(root / split / 'label' / f'{split}_{index}.png')


def test_255_is_unlabelled_where_1_occurs(levir_root):
    """Of 0, 1 and 255 a threshold makes the opposite of the mask."""
    masks = [pair('train', i, 128)[2] // 255 for i in range(3)]
    masks[0][:, 64:] = 255
    save_masks(levir_root, 'train', *masks)
    for index, mask in enumerate(masks):
        found = LEVIRCD(str(levir_root), pipeline=LOAD)[index]['gt_seg_map']
        assert np.array_equal(found, mask)


def test_one_coding_for_all_splits(levir_root):
    """The test split has no change by chance: its 255 is unlabelled all the same."""
    for split in ('train', 'val'):
        masks = [pair(split, i, 128)[2] // 255 for i in range(3)]
        masks[1][:9] = 255
        save_masks(levir_root, split, *masks)
    empty = np.zeros((128, 128), np.uint8)
    empty[:40] = 255
    save_masks(levir_root, 'test', empty, empty, empty)
    found = LEVIRCD(str(levir_root), split='test', pipeline=LOAD)[0]['gt_seg_map']
    assert np.array_equal(found, empty)


@pytest.mark.parametrize(
    ('masks', 'expected'),
    [
        ([look(0, 255), look(0), look(255)], MaskCoding()),
        ([look(0, 1), look(0)], LABELS),
        ([look(0, 1, 255), look(0, 255), look(255)], LABELS),
        ([look(0, 1, bits=True), look(0, 255)], MaskCoding()),
        ([look(0, 1, 2, 40, 215, lossy=True), look(0, 255, lossy=True)], MaskCoding()),
        ([MaskLook('m', {0: 900, 7: 30, 253: 90, 255: 100, 130: 20})], MaskCoding()),
    ],
)
def test_codings_that_are_known(masks, expected):
    assert decide_coding(masks) == expected


@pytest.mark.parametrize(
    ('masks', 'message'),
    [
        ([look(0, 1), look(0, 255)], r'255 may mean change or unlabelled'),
        ([look(0, 1), look(0, 254, 255)], r'255 may mean change or unlabelled'),
        ([look(0, 1, 2)], r'values \[0, 1, 2\].*changed=\[1, 2\]'),
        ([look(0, 1, 2, 255)], r'\[0, 1, 2, 255\]'),
        ([look(0, 100)], '50 % of its pixels'),
        ([look(0), look(*range(0, 256, 3))], r'(?s)looks like a picture.*swapped.*1 of 2 masks'),
        ([look(*range(256), lossy=True)], 'looks like a picture'),
    ],
)
def test_what_is_no_mask_or_of_two_codings_is_refused(masks, message):
    with pytest.raises(RasterError, match=message):
        decide_coding(masks)


def test_the_advice_of_the_messages_is_taken(levir_root):
    save_masks(levir_root, 'train', pair('train', 0, 128)[2] // 255)
    with pytest.raises(RasterError, match='may mean change') as error:
        LEVIRCD(str(levir_root))
    advice = re.findall(r'dict\([a-z]+=[^)]*\)', str(error.value))
    assert len(advice) == 2
    for text in advice:
        values = eval(text)
        dataset = LEVIRCD(str(levir_root), mask_values=values, pipeline=LOAD)
        index = 0 if values['changed'] == 1 else 1
        expected = pair('train', index, 128)[2] // 255
        assert np.array_equal(dataset[index]['gt_seg_map'], expected)
    with pytest.raises(
        RasterError, match=r'train_2.png holds the values \[0, 255\], .* % of its pixels'
    ):
        LEVIRCD(str(levir_root), mask_values=dict(unchanged=0, changed=1), pipeline=LOAD)[1]


def test_swapped_folders_are_refused(levir_root):
    with pytest.raises(RasterError, match=r'(?s)A.train_1.png.*looks like a picture.*3 of 3'):
        LEVIRCD(str(levir_root), folders=dict(date1='label', date2='B', label='A'))


def test_several_values_of_change_and_another_way_round(tmp_path):
    path = tmp_path / 'm.png'
    Image.fromarray(np.array([[0, 1, 2, 255]], np.uint8)).save(path)
    coding = MaskCoding.from_config(dict(unchanged=0, changed=[1, 2], ignore=255))
    assert read_mask(path, coding).tolist() == [[0, 1, 1, 255]]
    Image.fromarray(np.array([[255, 0]], np.uint8)).save(path)
    assert read_mask(path, MaskCoding((255,), (0,))).tolist() == [[0, 1]]
    for wrong in (dict(changed=1), dict(unchanged=0, changed=0), dict(unchanged=0, changed=300)):
        with pytest.raises(ConfigError, match='mask_values'):
            MaskCoding.from_config(wrong)


def write_palette(path, numbers, colours):
    picture = Image.frombytes('P', numbers.shape[::-1], numbers.tobytes())
    palette = [0, 0, 0] * 256
    for number, colour in colours.items():
        palette[3 * number : 3 * number + 3] = colour
    picture.putpalette(palette)
    picture.save(path)


def test_palettes(tmp_path):
    path, numbers = tmp_path / 'm.png', np.array([[0, 1, 1, 0]], np.uint8)
    painted = dict(enumerate([(0, 0, 0), (128, 0, 0)]))
    write_palette(path, np.array([[0, 1, 255]], np.uint8), {**painted, 255: (224, 224, 192)})
    assert decide_coding([look_at_mask(path)]) == LABELS
    assert read_mask(path, LABELS).tolist() == [[0, 1, 255]]
    write_palette(path, numbers, {0: (255, 255, 255), 1: (0, 0, 0)})  # white is what it shows
    assert read_mask(path).tolist() == [[1, 0, 0, 1]]
    write_palette(path, numbers, {0: (0, 200, 0), 1: (90, 0, 0)})
    with pytest.raises(RasterError, match=r'is a palette picture.*without a palette'):
        look_at_mask(path)


def write_geotiff(path, bands, kind=gdal.GDT_UInt16, value=3000):
    file = gdal.GetDriverByName('GTiff').Create(str(path), 128, 128, bands, kind)
    for band in range(1, bands + 1):
        file.GetRasterBand(band).Fill(value)
    del file


def test_whole_geotiffs_are_not_called_damaged_and_the_advice_is_taken(levir_root):
    path = levir_root / 'train' / 'A' / 'train_1.png'
    path.unlink()
    path = path.with_suffix('.tif')
    write_geotiff(path, 4)
    with pytest.raises(RasterError, match=r'4 bands of 16 bits .uint16.') as error:
        LEVIRCD(str(levir_root))
    assert 'damaged' not in str(error.value)
    options = re.search(r'gdal_translate (.*) IN OUT', str(error.value))[1]
    options = options.replace('LOW', '0').replace('HIGH', '6000')
    translate(options, path, levir_root / 'out.tif')
    shutil.move(levir_root / 'out.tif', path)
    assert (read_rgb(path) == np.round(3000 / 6000 * 255).astype(int)).mean() > 0.9 or (
        np.abs(read_rgb(path).astype(int) - 127) <= 1
    ).all()
    assert len(LEVIRCD(str(levir_root), pipeline=LOAD)[0]['img'].shape) == 3


def translate(options, source, target):
    program = shutil.which('gdal_translate')
    if program:
        subprocess.run([program, '-q', *options.split(), source, target], check=True)
    else:
        gdal.Translate(str(target), str(source), options=options)


def test_masks_of_16_bits_get_the_message_about_depth(levir_root):
    path = levir_root / 'train' / 'label' / 'train_2.png'
    Image.fromarray(np.full((128, 128), 300, np.uint16)).save(path)  # Pillow makes 255 of 300
    with pytest.raises(RasterError, match=r'train_2.png is .* 16 bits .uint16.*gdal_translate'):
        LEVIRCD(str(levir_root))
    path.unlink()
    write_geotiff(path.with_suffix('.tif'), 1, value=1)
    with pytest.raises(RasterError, match='1 band of 16 bits') as error:
        LEVIRCD(str(levir_root))
    out = levir_root / 'out.tif'
    translate(
        re.search(r'gdal_translate (.*) IN OUT', str(error.value))[1], path.with_suffix('.tif'), out
    )
    assert look_at_mask(out).counts == {1: 128 * 128}


def test_a_set_without_masks_needs_no_coding(tmp_path):
    root = write_levir(tmp_path / 'levir')
    shutil.rmtree(root / 'test' / 'label')
    assert (
        'gt_seg_map' not in ChangePairs(str(root), split='test', masks='optional', pipeline=LOAD)[0]
    )

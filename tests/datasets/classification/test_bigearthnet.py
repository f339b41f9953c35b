import json
import shutil

import cv2
import numpy as np
import pytest
from fixtures.bigearthnet import LABELS, SIDES, pixels, write_patch, write_tree

from swimdiff.bands import get_stats
from swimdiff.datasets.classification.corine import CLASSES_19, CLASSES_43, to_19
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError, LayoutError, RasterError
from swimdiff.registry import DATASETS

PIPELINE = [dict(type='LoadBigEarthNet'), dict(type='mmpretrain.PackInputs')]


@pytest.fixture
def root(tmp_path, scope):
    return write_tree(tmp_path / 'BigEarthNet-v1.0')


def build(root, **options):
    return DATASETS.build(
        dict(type='BigEarthNet', data_root=str(root), pipeline=PIPELINE, **options)
    )


def names(data):
    return [data.get_data_info(i)['img_path'].split('/')[-1] for i in range(len(data))]


#: BigEarthNet-MM (GRSM 2021), table 1, by CORINE's codes in the order of the 43 classes: the number
#: of each among the 19, in the order of the table; None for the eleven that are left out.
TABLE_1 = {
    **{111: 0, 112: 0, 121: 1, 122: None, 123: None, 124: None, 131: None, 132: None, 133: None},
    **{141: None, 142: None},
    **{211: 2, 212: 2, 213: 2, 221: 3, 222: 3, 223: 3, 231: 4, 241: 3, 242: 5, 243: 6, 244: 7},
    **{311: 8, 312: 9, 313: 10, 321: 11, 322: 12, 323: 12, 324: 13},
    **{331: 14, 332: None, 333: 11, 334: None},
    **{411: 15, 412: 15, 421: 16, 422: 16, 423: None},
    **{511: 17, 512: 17, 521: 18, 522: 18, 523: 18},
}


def test_classes():
    assert len(CLASSES_43) == len(set(CLASSES_43)) == 43
    assert len(CLASSES_19) == len(set(CLASSES_19)) == 19
    assert list(TABLE_1) == sorted(TABLE_1)
    for old, new in enumerate(TABLE_1.values()):
        assert to_19([old]) == ([] if new is None else [new]), CLASSES_43[old]
    assert CLASSES_43[17] == CLASSES_19[4] == 'Pastures'
    assert (CLASSES_43[42], CLASSES_19[18]) == ('Sea and ocean', 'Marine waters')
    assert (CLASSES_43[31], CLASSES_19[11][:8]) == ('Sparsely vegetated areas', 'Natural ')
    forest = [
        CLASSES_43.index(name) for name in ('Coniferous forest', 'Peatbogs', 'Inland marshes')
    ]
    assert [CLASSES_19[i] for i in to_19(forest)] == ['Coniferous forest', 'Inland wetlands']


def test_covered_and_unlabelled_are_left_out(root):
    parts = {part: build(root, split=part) for part in ('train', 'val', 'test')}
    everything = [name for data in parts.values() for name in names(data)]
    # Ten patches: number 0 is covered, 3 and 8 show an airport only.
    numbers = sorted(int(name.split('_')[3]) for name in everything)
    assert numbers == [1, 2, 4, 5, 6, 7, 9]
    for data in parts.values():
        for i in range(len(data)):
            info = data.get_data_info(i)
            number = int(info['img_path'].split('_')[-2])
            expected = to_19([CLASSES_43.index(label) for label in LABELS[number % 5]])
            assert info['gt_label'] == expected
            assert data[i]['data_samples'].gt_label.tolist() == expected


def test_43_classes_keep_the_airport(root):
    parts = [build(root, split=part, num_classes=43) for part in ('train', 'val', 'test')]
    labels = [data.get_data_info(i)['gt_label'] for data in parts for i in range(len(data))]
    assert len(labels) == 9
    assert [CLASSES_43.index('Airports')] in labels
    assert len(parts[0].metainfo['classes']) == 43


def test_bands_on_one_grid_and_scale(root):
    bands = ('B08', 'B8A', 'B01')
    data = build(root, bands=bands)
    info = data.get_data_info(0)
    number = int(info['img_path'].split('_')[-2])
    image = data[0]['inputs'].numpy()
    stats = get_stats('seco')
    assert image.shape == (3, 120, 120)
    for channel, band in zip(image, bands, strict=True):
        seco = np.minimum(pixels(number, band).astype(np.int64) * 255 // 10_000, 255)
        share = np.clip((seco - stats.low[band]) / (stats.high[band] - stats.low[band]), 0, 1)
        expected = (share * 255).astype(np.uint8)
        if SIDES[band] != 120:
            expected = cv2.resize(expected, (120, 120), interpolation=cv2.INTER_LINEAR)
        assert (channel == expected).all(), band


def test_official_lists_and_counts(root, tmp_path):
    lists = tmp_path / 'splits'
    lists.mkdir()
    patch = [f'S2A_MSIL2A_20170613T101031_{i}_45' for i in range(10)]
    (lists / 'train.csv').write_text(''.join(f'{name},\n' for name in patch[:6]))
    (lists / 'test.csv').write_text(''.join(f'{name},\n' for name in patch[6:]))
    data = build(root, split_dir=str(lists), split_counts=dict(train=6, test=4))
    assert [int(name.split('_')[3]) for name in names(data)] == [1, 2, 4, 5]
    assert data.metainfo['split'].startswith('splits@')
    everything = build(root, split_dir=str(lists), covered=())
    assert len(everything) == 5
    official = dict(split_dir=str(lists), split_counts='official')
    with pytest.raises(LayoutError, match=r'patches_with_seasonal_snow.csv missing.*covered=\(\)'):
        build(root, **official)
    with pytest.raises(LayoutError, match='train has 6 samples, expected 269695'):
        build(root, covered=(), **official)
    (root.parent / 'patches_with_seasonal_snow.csv').write_text(f'{patch[1]}\n')
    with pytest.raises(LayoutError, match='train has 6 samples, expected 269695'):
        build(root, **official)
    (root.parent / 'patches_with_seasonal_snow.csv').unlink()
    (lists / 'test.csv').write_text('S2A_MSIL2A_20170613T101031_77_45,\n')
    with pytest.raises(LayoutError, match=r'1 of 1 patches that are not in .*_77_45'):
        build(root, split='test', split_dir=str(lists))


def test_fraction_is_drawn_without_replacement(tmp_path, scope):
    root = tmp_path / 'many'
    for number in range(40):
        (root / f'S2A_MSIL2A_20170613T101031_{number}_45').mkdir(parents=True)
        name = f'S2A_MSIL2A_20170613T101031_{number}_45'
        labels = dict(labels=LABELS[0] if number % 4 else LABELS[2])
        (root / name / f'{name}_labels_metadata.json').write_text(json.dumps(labels))
    whole, half = build(root), build(root, fraction=0.5)
    assert len(whole) == 24
    assert len(half) == len(set(names(half))) == 12
    assert set(names(half)) <= set(names(whole))
    sea = CLASSES_19.index('Marine waters')
    count = [
        sum(d.get_data_info(i)['gt_label'] == [sea] for i in range(len(d))) for d in (whole, half)
    ]
    assert abs(count[1] - count[0] / 2) < 1


def test_labels_are_read_once_and_again_when_they_change(root, monkeypatch):
    from swimdiff.datasets.classification import label_index

    asked, said = [], []
    read = label_index.read_labels
    monkeypatch.setattr(
        label_index, 'read_labels', lambda root, patch: asked.append(patch) or read(root, patch)
    )
    monkeypatch.setattr(label_index, 'print_log', lambda line, *_: said.append(line))
    first = build(root)
    assert len(asked) == 9
    assert names(build(root)) == names(first) and len(asked) == 9
    patch = names(first)[0]
    path = root / patch / f'{patch}_labels_metadata.json'
    path.write_text(json.dumps(dict(labels=['Sea and ocean', 'Pastures'])))
    again = build(root)
    assert asked[9:] == [patch] and 'the labels of 1 patches changed' in said[0]
    assert again.get_data_info(0)['gt_label'] == [4, 18]
    path.unlink()
    with pytest.raises(LayoutError, match='is missing'):
        build(root)


def test_patches_added_or_removed_after_the_split_was_drawn(root, monkeypatch):
    """The guard that EuroSAT has: not a patch is left out in silence."""
    said = []
    module = 'swimdiff.datasets.classification.splits'
    monkeypatch.setattr(f'{module}.print_log', lambda line, *_, **__: said.append(line))
    build(root)
    assert 'holds 10 patches, BigEarthNet v1 590326: the split is drawn from these' in said[0]
    write_patch(root, 10)
    with pytest.raises(LayoutError, match='drawn from 10 patches; there are 11 now') as error:
        build(root)
    drawn = str(error.value).split(' was drawn')[0]
    shutil.rmtree(drawn)  # the advice
    assert sum(len(build(root, split=part)) for part in ('train', 'val', 'test')) == 8
    shutil.rmtree(root / 'S2A_MSIL2A_20170613T101031_3_45')
    write_patch(root, 11)
    with pytest.raises(LayoutError, match=r'11 now in .*some with other names'):
        build(root)


@pytest.mark.parametrize('kind', ['product', 'metadata', 'patches'])
def test_version_2_is_told_apart(tmp_path, scope, kind):
    """Names as the archive of today has them."""
    product = tmp_path / 'BigEarthNet-S2' / 'S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP'
    (product / f'{product.name}_26_57').mkdir(parents=True)
    root = dict(product=tmp_path, metadata=tmp_path / 'meta', patches=product)[kind]
    if kind == 'metadata':
        root.mkdir()
        (root / 'metadata.parquet').write_bytes(b'PAR1')
    with pytest.raises(
        LayoutError, match=r'belongs to BigEarthNet v2.*zenodo.org/records/12687186'
    ):
        build(root)


@pytest.mark.parametrize('damage', ['cut', 'word', 'range', 'binary'])
def test_damaged_label_cache_is_written_anew(root, monkeypatch, damage):
    said = []
    monkeypatch.setattr(
        'swimdiff.datasets.classification.label_index.print_log', lambda line, *_: said.append(line)
    )
    first = build(root)
    (cache,) = root.rglob('bigearthnet_labels.tsv')
    whole = cache.read_bytes()
    lines = whole.splitlines(keepends=True)
    cache.write_bytes(
        {
            'cut': whole[:-1],
            'word': lines[0] + b'S2A_x\n',
            'range': lines[0].replace(b'\t', b'\t43,'),
            'binary': lines[0] + b'\xff\xfe\n',
        }[damage]
    )
    again = build(root)
    assert len(said) == 1
    assert said[0].startswith(f'{cache} is damaged')
    labels = [
        [data.get_data_info(i)['gt_label'] for i in range(len(data))] for data in (first, again)
    ]
    assert labels[0] == labels[1]
    assert set(cache.read_bytes().splitlines()) <= set(whole.splitlines())
    build(root)
    assert len(said) == 1


def test_drawn_split_in_a_new_folder(root, tmp_path):
    parts = [build(root, split=part, split_dir=str(tmp_path / 'new')) for part in ('train', 'test')]
    again = build(root, split='test', split_dir=str(tmp_path / 'new'))
    assert names(again) == names(parts[1])
    assert not set(names(parts[0])) & set(names(parts[1]))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"coordinates": {}}', r'_1_45_labels_metadata.json has no labels \(keys: coordinates\)'),
        ('{"labels": []}', 'has an empty list of labels'),
        ('{"labels": ["Pasture"]}', 'names Pasture, which is none of the 43'),
        ('{"labels": [', 'cannot be read as JSON'),
    ],
)
def test_bad_label_file(root, text, message):
    name = 'S2A_MSIL2A_20170613T101031_1_45'
    (root / name / f'{name}_labels_metadata.json').write_text(text)
    with pytest.raises(LayoutError, match=message):
        build(root)


def test_damaged_bands(root):
    data = build(root, bands=('B8A', 'B02'))
    folder = data.get_data_info(0)['patch_dir']
    path = next(p for p in (root / folder).glob('*_B8A.tif'))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RasterError, match=r'_B8A.tif cannot be read'):
        data[0]
    path.unlink()
    with pytest.raises(LayoutError, match=r'_B8A.tif is missing'):
        data[0]


def test_wrong_size(root):
    data = build(root, bands=('B02',))
    folder = root / data.get_data_info(0)['patch_dir']
    next(folder.glob('*_B02.tif')).write_bytes(next(folder.glob('*_B05.tif')).read_bytes())
    with pytest.raises(RasterError, match=r'_B02.tif is 60 x 60 pixels. Expected .*120 x 120'):
        data[0]


def test_bad_options(root, tmp_path):
    with pytest.raises(BandError, match='BigEarthNet has no B10'):
        build(root, bands=('B10',))
    with pytest.raises(ConfigError, match='19 or 43'):
        build(root, num_classes=10)
    with pytest.raises(DatasetNotFoundError, match=r'(?s)does not exist.*_B01.tif.*bigearth.net'):
        build(tmp_path / 'nowhere')
    write_patch(tmp_path / 'a' / 'x', 1)
    write_patch(tmp_path / 'a' / 'y', 1)
    with pytest.raises(LayoutError, match='several data sets'):
        build(tmp_path / 'a')

"""Folders of labelled pictures: parts as for pre-training, pixels, subsets, the probe's reader."""

import shutil

import numpy as np
import pytest
import torch
from fixtures.pictures import CLASSES, noise, write_classes, write_picture
from PIL import Image

from swimdiff.datasets import PictureScenes
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError, LayoutError
from swimdiff.evaluation.labelled_images import LabelledImages
from swimdiff.registry import DATASETS

PIPELINE = [dict(type='LoadPicture'), dict(type='mmpretrain.PackInputs')]
SHARES = dict(pretrain=0.5, train=0.3, val=0.05, test=0.15)


@pytest.fixture
def root(tmp_path, scope):
    return write_classes(tmp_path / 'data' / 'RSSCN7', per_class=20)


def build(root, **options):
    # The engine collects garbage of the whole process when it serialises, for each data set.
    options = dict(pipeline=PIPELINE, serialize_data=False, **options)
    return DATASETS.build(dict(type='LabelledPictures', data_root=str(root), **options))


def test_parts_pixels_and_labels(root):
    seen = set()
    for part, count in dict(train=12, val=4, test=4).items():
        data = build(root, split=part)
        assert len(data) == 3 * count and data.metainfo['classes'] == CLASSES
        assert data.metainfo['split'].endswith(f'/{part}')
        for i in range(len(data)):
            info = data.get_data_info(i)
            seen.add(info['img_path'])
            assert CLASSES[info['gt_label']] == info['img_path'].split('/')[-2]
    assert len(seen) == 60
    item = build(root)[5]
    with Image.open(item['data_samples'].img_path) as picture:
        assert np.array_equal(item['inputs'].permute(1, 2, 0).numpy(), np.asarray(picture))


def test_no_picture_of_pre_training_is_probed(root):
    """Also where pre-training names the folder above the classes."""
    options = dict(shares=SHARES, split_seed=3)
    pretrained = PictureScenes(str(root.parent), patch=32, part='pretrain', **options)
    seen = {info['img_path'].split('/RSSCN7/')[1] for info in pretrained}
    probed = set()
    for part in ('train', 'val', 'test'):
        data = build(root, split=part, **options)
        probed |= {data.get_data_info(i)['img_path'].split('/RSSCN7/')[1] for i in range(len(data))}
    assert len(seen) == 30 and len(probed) == 30 and not seen & probed
    above = build(root.parent, split='test', **options).metainfo['split']
    assert above == build(root, split='test', **options).metainfo['split']


def test_subsets_are_stratified_and_drawn_by_seed(root):
    def paths(**options):
        data = build(root, **options)
        return [data.get_data_info(i)['img_path'] for i in range(len(data))]

    chosen = paths(limit=12, seed=1)
    assert len(chosen) == 12 and set(chosen) < set(paths())
    assert [sum(label in path for path in chosen) for label in CLASSES] == [4, 4, 4]
    assert chosen == paths(limit=12, seed=1) != paths(limit=12, seed=2)
    assert len(paths(fraction=0.5)) == 18 and len(paths(limit=1000)) == 36


def test_bands_and_own_lists(root, tmp_path):
    red, swapped = build(root)[0]['inputs'], build(root, bands=('B2', 'B4'))[0]['inputs']
    assert torch.equal(swapped[1], red[0]) and torch.equal(swapped[0], red[2])
    lists = tmp_path / 'lists'
    lists.mkdir()
    (lists / 'train.txt').write_text('Forest/a000.jpg\nField/b001.jpg\n')
    data = build(root, split_dir=str(lists))
    assert [data.get_data_info(i)['gt_label'] for i in range(2)] == [0, 1] and len(data) == 2
    (lists / 'train.txt').write_text('Forest/none.jpg\n')
    with pytest.raises(LayoutError, match=r'has 1 pictures, of which 1 are not in .*none.jpg'):
        build(root, split_dir=str(lists))
    with pytest.raises(ConfigError, match='both say which pictures'):
        build(root, split_dir=str(lists), shares=SHARES)


def test_bad_input(root, tmp_path):
    with pytest.raises(BandError, match='asked for B08'):
        build(root, bands=('B08',))
    with pytest.raises(ConfigError, match="part='pretrain': expected one of train, val, test"):
        build(root, split='pretrain')
    with pytest.raises(ConfigError, match='fraction=0'):
        build(root, fraction=0)
    with pytest.raises(DatasetNotFoundError, match=r'FirstClass/any_name.jpg'):
        build(tmp_path / 'none')
    for label in CLASSES[1:]:
        shutil.rmtree(root / label)
    with pytest.raises(LayoutError, match='no data set'):
        build(root)


def test_where_the_probe_while_training_reads(root):
    write_picture(root / 'Field' / 'other.png', noise(70, 90, 1))  # of another size
    resize = [PIPELINE[0], dict(type='mmcv.Resize', scale=(24, 24)), PIPELINE[1]]
    config = dict(type='LabelledPictures', data_root=str(root), pipeline=resize)
    images = LabelledImages(config, 'train', limit=10)
    assert len(images) == 10 and images.num_classes == 3 and '/train-cut10of' in images.split
    means = images.features(lambda batch: batch.float().mean(dim=(2, 3)))
    assert means.shape == (10, 3)
    colours = torch.stack([means[images.labels == i].mean(dim=0) for i in range(3)])
    assert colours[:, 0].diff().min() > 50  # red grows from class to class

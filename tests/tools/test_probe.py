import json

import pytest
import torch
from fixtures.bigearthnet import write_tree
from fixtures.eurosat import write_rgb
from fixtures.pictures import write_classes
from fixtures.tools import load_tool
from mmengine.registry import DefaultScope

from swimdiff.registry import MODELS

TOOL = load_tool('probe.py')

pytestmark = pytest.mark.usefixtures('short_search')


def run(*arguments):
    with DefaultScope.overwrite_default_scope('swimdiff'):
        TOOL.main([*map(str, arguments), '--workers', '0'])


@pytest.fixture(scope='module')
def eurosat(tmp_path_factory):
    return write_rgb(tmp_path_factory.mktemp('probe') / 'eurosat', per_class=5)


def test_table_floors_and_json(eurosat, tmp_path, capsys):
    out = tmp_path / 'scores.json'
    arguments = ('--data-root', eurosat, '--seeds', 0, 1, '--k', 3, '--size', 32, '--json', out)
    run(*arguments, '--cache', tmp_path / 'cache')
    first = capsys.readouterr()
    record = json.loads(out.read_text())
    statistics, random = record['rows']
    # One colour a class: no network is needed to tell them apart.
    assert statistics['linear'] == [100.0]
    assert statistics['dim'] == 21
    assert len(random['linear']) == len(random['knn']) == 2
    assert record['samples'] == dict(train=30, val=10, test=10)
    for said in ('image statistics (floor)', 'random r18 (floor)', record['split'], '32 px', 'k=3'):
        assert said in first.out
    assert '@' in record['split']
    assert 'images of train' in first.err
    run(*arguments, '--cache', tmp_path / 'cache')
    assert 'images of train' not in capsys.readouterr().err
    assert json.loads(out.read_text())['rows'] == record['rows']


def test_limit_draws_a_subset_for_each_seed(eurosat, tmp_path):
    out = tmp_path / 'scores.json'
    limited = ('--data-root', eurosat, '--limit', 25, '--seeds', 0, 1, 2, '--size', 16)
    run(*limited, '--json', out)
    record = json.loads(out.read_text())
    assert record['samples'] == dict(train=15, val=5, test=5)
    assert [len(row['linear']) for row in record['rows']] == [3, 3]


def test_file_of_another_architecture(eurosat, tmp_path):
    torch.save({'backbone.conv1.weight': torch.ones(64, 3, 7, 7)}, tmp_path / 'x.pth')
    with pytest.raises(SystemExit, match=r'x.pth does not fit ResNet: 1 of 120 tensors match'):
        run('--data-root', eurosat, '--no-floors', tmp_path / 'x.pth')


def test_missing_data(tmp_path):
    with pytest.raises(SystemExit, match='DatasetNotFoundError: data_root'):
        run('--data-root', tmp_path / 'nowhere')


def test_several_labels(tmp_path, capsys):
    root = write_tree(tmp_path / 'ben', patches=20)
    out = tmp_path / 'scores.json'
    data = ('--dataset', 'bigearthnet', '--data-root', root)
    run(*data, '--seeds', 0, '--k', 2, '--size', 32, '--json', out)
    assert 'mAP micro' in capsys.readouterr().out
    scores = [score for row in json.loads(out.read_text())['rows'] for score in row['linear']]
    assert len(scores) == 2
    assert all(0 < score <= 100 for score in scores)


def test_the_floor_is_the_backbone_of_the_checkpoint(eurosat, tmp_path, capsys):
    net = MODELS.build(dict(type='mmpretrain.ResNet', depth=34, out_indices=(0, 1, 2, 3)))
    meta = dict(backbone=json.dumps(dict(type='mmpretrain.ResNet', depth=34)))
    state = {f'backbone.{name}': value for name, value in net.state_dict().items()}
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'x.pth')
    run('--data-root', eurosat, '--seeds', 0, '--size', 32, tmp_path / 'x.pth')
    assert 'random ResNet-34 (floor)' in capsys.readouterr().out


def test_cached_statistics_are_those_of_the_bands(eurosat, tmp_path):
    out = tmp_path / 'scores.json'
    common = ('--data-root', eurosat, '--seeds', 0, '--size', 16, '--cache', tmp_path / 'cache')
    for bands in (('B04',), ('B04', 'B02')):
        run(*common, '--bands', *bands, '--json', out)
        assert json.loads(out.read_text())['rows'][0]['dim'] == 7 * len(bands)


def test_imagenet_weights_in_the_layout_of_torchvision(eurosat, tmp_path, capsys):
    """Bare names and a classifier of 1000 classes on top, which is left out."""
    net = MODELS.build(dict(type='mmpretrain.ResNet', depth=18))
    state = {**net.state_dict(), 'fc.weight': torch.zeros(1000, 512), 'fc.bias': torch.zeros(1000)}
    torch.save(state, tmp_path / 'resnet18.pth')
    out = tmp_path / 'scores.json'
    common = ('--data-root', eurosat, '--seeds', 0, '--size', 32, '--no-floors', '--json', out)
    run(*common, '--imagenet', tmp_path / 'resnet18.pth')
    said = capsys.readouterr()
    assert 'ImageNet r18' in said.out
    assert 'loaded 120 of 120 tensors' in said.err
    assert 'left out 2 (fc.weight, fc.bias)' in said.err
    (row,) = json.loads(out.read_text())['rows']
    run(*common, tmp_path / 'resnet18.pth')
    (same,) = json.loads(out.read_text())['rows']
    assert (row['features'], row['linear'], row['knn']) == (
        'ImageNet r18',
        same['linear'],
        same['knn'],
    )


def test_pictures_with_the_division_of_pre_training(tmp_path):
    root, out = write_classes(tmp_path / 'pictures', per_class=20), tmp_path / 'o.json'
    shares = ('--shares', 'pretrain=0.5', 'train=0.25', 'val=0.15', 'test=0.1')
    run(
        '--dataset', 'pictures', '--data-root', root, *shares, '--seeds', 0, '--k', 3, '--json', out
    )
    record = json.loads(out.read_text())
    assert record['samples'] == dict(train=15, val=9, test=6)
    assert record['rows'][0]['linear'] == [100.0]  # one colour a class
    assert record['split'].startswith('pictures_pretrain50-test10-train25-val15_seed0@')
    with pytest.raises(SystemExit, match='--shares divides a folder of pictures'):
        run('--data-root', root, *shares)

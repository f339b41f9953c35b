"""What the measurements give, against direct computations on the same features."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.eurosat import CLASSES, write_rgb
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from swimdiff.bands import get_stats
from swimdiff.errors import ConfigError
from swimdiff.evaluation.probe import ProbeScores
from swimdiff.launch.paths import find_config
from swimdiff.registry import MEASUREMENTS, MODELS
from swimdiff.studies.measurements import LogMeasurement, Subject
from swimdiff.studies.measurements.change import build_change_config

pytestmark = pytest.mark.usefixtures('short_search')

RGB = ('B04', 'B03', 'B02')
BACKBONE = dict(
    type='mmpretrain.ResNet',
    depth=18,
    in_channels=3,
    stem_channels=8,
    base_channels=8,
    out_indices=(3,),
)


@pytest.fixture(scope='module')
def eurosat(tmp_path_factory):
    return write_rgb(tmp_path_factory.mktemp('measured') / 'eurosat', per_class=5)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('swimdiff'):
        yield


def dataset(root):
    pipeline = [dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')]
    return dict(type='EuroSAT', data_root=str(root), pipeline=pipeline)


def subject(folder, kind='trained', checkpoint=None, tool=None, **config):
    cfg = Config(dict(data_preprocessor=dict(bands=RGB, stats='seco'), **config))
    return Subject(
        'a cell', kind, 0, cfg, BACKBONE, checkpoint, folder / 'run', folder / 'own', tool
    )


@pytest.fixture
def trained(tmp_path):
    """A checkpoint of random weights, and the network that has them."""
    torch.manual_seed(3)
    net = MODELS.build(BACKBONE)
    net.eval()
    state = {f'backbone.{name}': value for name, value in net.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'x.pth')
    return net, tmp_path / 'x.pth'


def pool_mean(maps):
    return maps[-1].mean(dim=(2, 3))


def pool_stage_2(maps):
    flat = maps[2].flatten(2)
    return torch.cat([flat.mean(dim=2), flat.var(dim=2, unbiased=False).sqrt()], dim=1)


def features_of(net, root, split, pool=pool_mean):
    """Pictures of a part, read with Pillow and standardised by hand; and their labels."""
    names = next(root.glob('splits/**/' + f'{split}.txt')).read_text().split()
    labels = [CLASSES.index(name.split('_')[0]) for name in names]
    table = get_stats('seco')
    mean, std = (np.array(table.select(what, RGB)) for what in ('mean', 'std'))
    rows = []
    for name, label in zip(names, labels, strict=True):
        stem = name.rsplit('.', 1)[0]
        pixels = np.asarray(Image.open(root / '2750' / CLASSES[label] / f'{stem}.jpg'), float)
        image = torch.tensor((pixels - mean) / std, dtype=torch.float32).permute(2, 0, 1)
        with torch.no_grad():
            rows.append(pool(net(image[None]))[0])
    return torch.stack(rows).double().numpy(), np.array(labels)


@pytest.mark.parametrize(
    ('options', 'pool'),
    [({}, pool_mean), (dict(stage=2, pool='mean-std'), pool_stage_2)],
)
def test_probe_is_that_of_the_cells_own_features(eurosat, tmp_path, trained, options, pool):
    """kNN with one neighbour: the nearest by cosine, of plain or standardised features."""
    net, checkpoint = trained
    net.out_indices = (0, 1, 2, 3)
    probe = MEASUREMENTS.build(
        dict(type='ProbeMeasurement', dataset=dataset(eurosat), k=1, **options)
    )
    found = probe.measure(subject(tmp_path, checkpoint=checkpoint))
    bank, labels = features_of(net, eurosat, 'train', pool)

    def nearest(split, standardise):
        queries, truth = features_of(net, eurosat, split, pool)
        near, far = (bank, queries)
        if standardise:
            near, far = ((part - bank.mean(0)) / bank.std(0) for part in (near, far))
        cosine = far @ near.T / np.linalg.norm(far, axis=1)[:, None]
        votes = labels[np.argmax(cosine / np.linalg.norm(near, axis=1), axis=1)]
        return 100 * np.mean(votes == truth)

    better = nearest('val', True) > nearest('val', False)
    assert found['knn'] == pytest.approx(nearest('test', better))
    assert 0 < found['linear'] <= 100


def test_several_divisions_are_averaged(eurosat, tmp_path, trained, monkeypatch):
    """The first is the data set's own; the others draw from all images of the three parts."""
    _, checkpoint = trained
    seen = []

    def score(data, num_classes, k, temperature):
        seen.append({name: len(targets) for name, (_, targets) in data.items()})
        return ProbeScores(dim=1, knn=len(seen), linear=10 * len(seen), chosen={})

    monkeypatch.setattr('swimdiff.studies.measurements.probe.score_parts', score)
    probe = MEASUREMENTS.build(dict(type='ProbeMeasurement', dataset=dataset(eurosat), divisions=4))
    assert probe.measure(subject(tmp_path, checkpoint=checkpoint)) == dict(knn=2.5, linear=25)
    assert seen == [seen[0]] * 4
    with pytest.raises(ConfigError, match="pool='max'; expected one of"):
        MEASUREMENTS.build(dict(type='ProbeMeasurement', dataset=dataset(eurosat), pool='max'))
    with pytest.raises(ConfigError, match=r'divisions=0.*one division'):
        MEASUREMENTS.build(dict(type='ProbeMeasurement', dataset=dataset(eurosat), divisions=0))


def test_floors_of_the_probe(eurosat, tmp_path):
    probe = MEASUREMENTS.build(
        dict(
            type='ProbeMeasurement', dataset=dataset(eurosat), k=3, size=16, limit=25, draws=(0, 1)
        )
    )
    # One colour a class: no network is needed to tell them apart.
    assert probe.measure(subject(tmp_path, 'statistics'))['linear'] == 100
    first, again = (probe.measure(subject(tmp_path, 'random')) for _ in range(2))
    assert first == again
    assert set(probe.kinds) == {'trained', 'random', 'statistics'}


def test_rank_of_features(eurosat, tmp_path, trained):
    net, checkpoint = trained
    rank = MEASUREMENTS.build(dict(type='RankMeasurement', dataset=dataset(eurosat)))
    found = rank.measure(subject(tmp_path, checkpoint=checkpoint))
    rows, _ = features_of(net, eurosat, 'train')
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    share = np.linalg.svd(rows, compute_uv=False)
    share = share[share > 1e-6] / share.sum()
    assert found['rank'] == pytest.approx(np.exp(-np.sum(share * np.log(share))), rel=1e-2)
    assert found['std'] == pytest.approx(rows.std(axis=0).mean() * np.sqrt(rows.shape[1]), rel=1e-3)


def test_log_of_a_run_that_was_killed_in_between(tmp_path):
    """20 iterations; the first start logged 12 and was killed after the checkpoint of 8."""
    for start, steps in (('20260101_000000', range(1, 13)), ('20260101_010000', range(9, 21))):
        folder = tmp_path / 'run' / start / 'vis_data'
        folder.mkdir(parents=True)
        value = 1000 if start.endswith('_000000') else 0
        rows = [
            dict(step=step, loss=value + step, images_per_s=10 * step, time=3.0) for step in steps
        ]
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, rows)) + '\n{"ste')
    cell = subject(tmp_path, train_cfg=dict(max_iters=20))
    found = LogMeasurement(keys=('lo*', 'nothing'), window=0.2).measure(cell)
    assert found['loss'] == np.mean([17, 18, 19, 20])
    assert found['minutes'] == pytest.approx(1.0)
    assert 'nothing' not in found


def test_change_config_takes_the_backbone_of_the_cell(tmp_path, trained):
    path = find_config('change_detection/oscd/change-unet_r18_frozen_oscd-holdout.py')
    cfg = build_change_config(path, subject(tmp_path, checkpoint=trained[1]))
    assert cfg.model.decode_head.in_channels == (8, 8, 16, 32, 64)
    backbone = cfg.model.backbone.backbone
    assert backbone.out_indices == (0, 1, 2, 3)  # pre-training had the last stage only
    assert backbone.init_cfg.checkpoint == str(trained[1])
    assert backbone.init_cfg.bands == RGB
    floor = build_change_config(path, subject(tmp_path, 'random')).model.backbone.backbone
    assert floor.zero_init_residual is False
    assert [part['type'] for part in floor.init_cfg] == ['Kaiming', 'Constant']
    with pytest.raises(ConfigError, match=r'has no model.backbone.backbone'):
        build_change_config(find_config('swimdiff_r18_seco'), subject(tmp_path))


def test_change_scores_are_read_and_heads_are_dropped(tmp_path, trained):
    """The tools are played: what they are given, and what they leave."""
    calls = []

    def tool(name, arguments, log):
        folder = Path(arguments[arguments.index('--work-dir') + 1])
        calls.append((name, arguments))
        if name == 'train':
            vis = folder / '20260101_000000' / 'vis_data'
            vis.mkdir(parents=True)
            losses = [9.0] * 8 + [4.0, 3.0]
            rows = [dict(step=step, loss=loss) for step, loss in enumerate(losses, 1)]
            (vis / 'scalars.json').write_text('\n'.join(map(json.dumps, rows)))
            (folder / 'epoch_3.pth').touch()
        else:
            scores = dict(F1=50, precision=60, recall=40, IoU=30, AP=45, samples=7)
            content = {f'change/strict/held/{key}': value for key, value in scores.items()}
            (folder / 'now').mkdir(parents=True)
            (folder / 'now' / 'now.json').write_text(json.dumps(content))

    change = MEASUREMENTS.build(
        dict(
            type='ChangeMeasurement',
            config='change_detection/oscd/change-unet_r18_frozen_oscd-holdout.py',
            data_root='somewhere',
            epochs=3,
            options={'train_dataloader.batch_size': 2},
        )
    )
    found = change.measure(subject(tmp_path, checkpoint=trained[1], tool=tool))
    assert found == dict(F1=50, precision=60, recall=40, IoU=30, AP=45, loss=3, settling=25)
    assert [name for name, _ in calls] == ['train', 'test']
    assert '--resume' in calls[0][1]
    assert calls[1][1][1].endswith('epoch_3.pth')
    cfg = Config.fromfile(calls[0][1][0])
    assert cfg.train_dataloader.dataset.data_root == 'somewhere'
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (3, 2)
    assert not list(tmp_path.rglob('epoch_3.pth'))

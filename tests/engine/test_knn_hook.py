"""The hook in true, tiny runs of the engine: its score, and that training does not notice it."""

import json

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from fixtures.bigearthnet import write_tree
from fixtures.eurosat import write_rgb
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from swimdiff.engine import OnlineKNNHook
from swimdiff.errors import ConfigError
from swimdiff.evaluation.knn import knn_accuracy
from swimdiff.models.data_preprocessor import MultiBandPreprocessor
from swimdiff.registry import DATASETS

PIPELINE = [dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')]


class Toy(BaseModel):
    """A backbone with batch norm, one frozen part, and dropout in the loss."""

    def __init__(self):
        super().__init__(MultiBandPreprocessor(('B04', 'B03', 'B02')))
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU())
        self.frozen = nn.BatchNorm2d(8)

    def train(self, mode=True):
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, inputs, data_samples=None, mode='loss'):
        feats = nn.functional.dropout(self.frozen(self.backbone(inputs)), 0.5)
        return dict(loss=feats.square().mean() + torch.rand(()) * feats.mean())


def config(root, **options):
    return dict(type='EuroSAT', data_root=str(root), pipeline=PIPELINE, **options)


def run(work_dir, hook=None):
    init_default_scope('swimdiff')
    torch.manual_seed(0)
    images = [dict(inputs=torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)) for _ in range(8)]
    runner = Runner(
        Toy(),
        str(work_dir),
        train_dataloader=DataLoader(images, batch_size=4, shuffle=True),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        train_cfg=dict(by_epoch=True, max_epochs=4),
        custom_hooks=[hook] if hook else [],
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1), checkpoint=None),
        default_scope='swimdiff',
        experiment_name=work_dir.name,
        randomness=dict(seed=0),
    )
    runner.train()
    rows = [
        json.loads(line)
        for path in work_dir.glob('*/vis_data/scalars.json')
        for line in path.read_text().splitlines()
    ]
    return runner.model, rows


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_rgb(tmp_path_factory.mktemp('knn') / 'eurosat')


def expected(model, root, limit=None):
    """The score, an image at a time."""
    model.eval()
    parts = []
    for split in ('train', 'val'):
        data = DATASETS.build(config(root, split=split, limit=limit))
        rows, labels = [], []
        for i in range(len(data)):
            image = data[i]['inputs'][None].float() - model.data_preprocessor.mean
            rows.append(model.backbone(image / model.data_preprocessor.std)[0].mean(dim=(1, 2)))
            labels.append(data.get_data_info(i)['gt_label'])
        parts += [torch.stack(rows), torch.tensor(labels)]
    return knn_accuracy(*parts, 10, k=3)


def test_training_is_the_same_and_the_score_is_right(root, tmp_path):
    hook = dict(type='OnlineKNNHook', dataset=config(root), interval=2, k=3, batch_size=7)
    plain, without = run(tmp_path / 'plain')
    model, rows = run(tmp_path / 'knn', hook)
    losses = [[row['loss'] for row in found if 'loss' in row] for found in (without, rows)]
    assert len(losses[0]) == 8
    assert losses[0] == losses[1]
    for name, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    scored = [row for row in rows if 'knn/top1' in row]
    assert [row['step'] for row in scored] == [2, 4]
    assert scored[-1]['knn/samples'] == 10
    assert scored[-1]['knn/top1'] == pytest.approx(expected(model, root))
    (log,) = (tmp_path / 'knn').glob('*/*.log')
    assert 'on eurosat_60-20-20_seed0@' in log.read_text()
    assert '/val, 10 samples, bank 30, k=3' in log.read_text()


def test_modes_are_put_back(root, tmp_path):
    model, _ = run(tmp_path / 'x', dict(type='OnlineKNNHook', dataset=config(root)))
    assert model.backbone.training
    assert not model.frozen.training


def test_wrong_options(tmp_path):
    init_default_scope('swimdiff')
    with pytest.raises(ConfigError, match='interval=0'):
        OnlineKNNHook(dict(type='EuroSAT'), interval=0)
    several = dict(type='BigEarthNet', data_root=str(write_tree(tmp_path / 'ben')))
    with pytest.raises(ConfigError, match='BigEarthNet has several labels'):
        OnlineKNNHook(several).before_train(None)


def _worker(rank, root, folder):
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    init_default_scope('swimdiff')
    torch.manual_seed(0)
    model = Toy().eval()
    hook = OnlineKNNHook(config(root), k=3, batch_size=4, limit=9)
    hook.before_train(None)
    with torch.no_grad():
        rows = [hook._embed(model, part) for part, _ in hook._parts]
    torch.save(rows, f'{folder}/{rank}.pt')
    dist.destroy_process_group()


def test_two_processes_embed_each_image_once_in_order(root, tmp_path):
    init_default_scope('swimdiff')
    hook = OnlineKNNHook(config(root), k=3, limit=9)
    hook.before_train(None)
    torch.manual_seed(0)
    model = Toy().eval()
    with torch.no_grad():
        alone = [hook._embed(model, part) for part, _ in hook._parts]
    mp.spawn(_worker, args=(str(root), str(tmp_path)), nprocs=2)
    for rank in range(2):
        for rows, whole in zip(torch.load(tmp_path / f'{rank}.pt'), alone, strict=True):
            assert len(whole) == 9
            assert torch.allclose(rows, whole, atol=1e-6)

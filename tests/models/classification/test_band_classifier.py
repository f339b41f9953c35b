from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from swimdiff.models.classification.multilabel_loss import MultiLabelSoftMarginLoss
from swimdiff.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[3] / 'configs' / 'classification'


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('swimdiff'):
        yield


def build(name, **changes):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    config.model.backbone.init_cfg = None
    config.model.update(changes)
    torch.manual_seed(0)
    return MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))


def step(model, optimizer, labels):
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(label) for label in labels]
    data = model.data_preprocessor(dict(inputs=images, data_samples=samples), training=True)
    loss = model(**data, mode='loss')['loss']
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return data


@pytest.mark.parametrize('backbone', ['r18', 'r50', 'swin-t', 'convnext-t'])
def test_frozen_means_frozen(backbone):
    model = build(f'eurosat/linear_{backbone}_eurosat-rgb')
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        data = step(model, optimizer, [3, 7])
    assert model.training
    assert not any(part.training for part in model.backbone.modules())
    assert all(value.grad is None for value in model.backbone.parameters())
    feats = model.extract_feat(data['inputs'])
    assert all(level.grad_fn is None for level in feats)
    changed = [name for name, value in model.state_dict().items() if not value.equal(before[name])]
    assert changed == ['head.fc.weight', 'head.fc.bias']


def test_finetuning_changes_the_backbone():
    model = build('eurosat/finetune_r18_eurosat-rgb')
    model.train()
    before = model.backbone.conv1.weight.clone()
    statistics = model.backbone.bn1.running_mean.clone()
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), [3, 7])
    assert not torch.equal(model.backbone.conv1.weight, before)
    assert not torch.equal(model.backbone.bn1.running_mean, statistics)


def test_several_labels():
    model = build('bigearthnet/finetune_r18_bigearthnet-rgb')
    data = step(model, torch.optim.SGD(model.parameters(), lr=0.1), [[1, 4], [18]])
    model.eval()
    samples = model(**data, mode='predict')
    assert [sample.pred_score.shape for sample in samples] == [(19,), (19,)]


def test_soft_margin_loss_by_hand():
    score, target = torch.randn(3, 5, dtype=torch.float64), torch.randint(0, 2, (3, 5)).double()
    total = 0.0
    for row, truth in zip(score, target, strict=True):
        for s, y in zip(row.tolist(), truth.tolist(), strict=True):
            p = torch.sigmoid(torch.tensor(s, dtype=torch.float64))
            total -= float(y * torch.log(p) + (1 - y) * torch.log(1 - p))
    loss = MultiLabelSoftMarginLoss(loss_weight=2.0)(score, target, avg_factor=3)
    assert loss.item() == pytest.approx(2 * total / 15)

"""The plans that come with the toolkit: each can be read, and each variant is a model."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from swimdiff.registry import MODELS
from swimdiff.studies.cell_config import build_cell_config
from swimdiff.studies.device_views import move_views
from swimdiff.studies.plan import read_plan

ROOT = Path(__file__).resolve().parents[2]
PLANS = sorted(
    path
    for path in (ROOT / 'configs' / 'studies').rglob('*.py')
    if '\nimages = ' in path.read_text()
)


def test_there_are_plans():
    assert len(PLANS) >= 10


@pytest.mark.parametrize('path', PLANS, ids=lambda path: path.stem)
def test_every_variant_is_a_model_of_its_own(path):
    plan = read_plan(path)
    built = set()
    for variant in plan.variants.values():
        cfg = build_cell_config(plan, variant, seed=0)
        with DefaultScope.overwrite_default_scope('swimdiff'):  # as the engine builds it
            MODELS.build({'data_preprocessor': cfg.data_preprocessor, **cfg.model})
        built.add(repr((cfg.model, cfg.train_dataloader, cfg.optim_wrapper)))
    assert len(built) == len(plan.variants), 'two variants do not differ'


@pytest.mark.parametrize('path', PLANS, ids=lambda path: path.stem)
def test_the_device_can_make_the_views_of_every_variant(path):
    plan = read_plan(path)
    for variant in plan.variants.values():
        cfg = build_cell_config(plan, variant, seed=0, on_gpu=True)
        workers = cfg.train_dataloader.dataset.pipeline[1]
        assert move_views(cfg) == '', variant.name
        types = [step['type'] for step in cfg.train_dataloader.dataset.pipeline]
        assert types == ['LoadPatch', 'PackViews']
        assert cfg.data_preprocessor.transforms == workers.transforms
        with DefaultScope.overwrite_default_scope('swimdiff'):
            maker = MODELS.build(cfg.data_preprocessor)
        images = torch.randint(0, 256, (2, len(maker.bands), 96, 96), dtype=torch.uint8)
        views = maker.views([images])
        assert [view.shape[2:] for view in views] == [(64, 64)] * (3 if 'plain' in workers else 2)
        assert not torch.equal(*views[:2])

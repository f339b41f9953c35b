"""The plans that come with the toolkit: each can be read, and each variant is a model."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from swimdiff.registry import MODELS
from swimdiff.studies.cell_config import build_cell_config
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


def test_the_views_of_a_plan_can_be_made_on_the_device():
    plan = read_plan('studies/claim_r18_rsscn7.py')
    cfg = build_cell_config(plan, plan.variants['swimdiff'], seed=0, on_gpu=True)
    with DefaultScope.overwrite_default_scope('swimdiff'):
        preprocessor = MODELS.build(cfg.data_preprocessor)
    views = preprocessor.views([torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)])
    assert [view.shape for view in views] == [(2, 3, 64, 64)] * 2
    assert not torch.equal(*views)
    types = [step['type'] for step in cfg.train_dataloader.dataset.pipeline]
    assert types == ['LoadPatch', 'PackViews']

"""Hooks of one priority go by their order in the config."""

import pytest
from fixtures.runs import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from swimdiff.engine import LoaderStarvationHook


@pytest.mark.parametrize('name', ['swimdiff_r50_seco', 'large_scale/swimdiff_r50_lars_seco'])
def test_the_clock_of_waiting_starts_after_all_other_hooks(name):
    """What others do after an iteration, agreeing on a stop too, is not waiting for data."""
    init_default_scope('swimdiff')
    runner = object.__new__(Runner)
    runner._hooks = []
    runner.register_default_hooks(Config.fromfile(ROOT / f'configs/{name}.py').default_hooks)
    assert isinstance(runner.hooks[-1], LoaderStarvationHook)

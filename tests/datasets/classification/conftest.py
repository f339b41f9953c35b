"""The default scope that configs of the toolkit set, for one test."""

import pytest
from mmengine.registry import DefaultScope


@pytest.fixture
def scope():
    with DefaultScope.overwrite_default_scope('swimdiff'):
        yield


@pytest.fixture(autouse=True)
def _no_collection_of_garbage(monkeypatch):
    """The engine collects the garbage of the whole process for each data set it serialises."""
    monkeypatch.setattr('mmengine.dataset.base_dataset.gc.collect', lambda *_: 0)

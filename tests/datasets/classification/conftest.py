"""The default scope that configs of the toolkit set, for one test."""

import pytest
from mmengine.registry import DefaultScope


@pytest.fixture
def scope():
    with DefaultScope.overwrite_default_scope('swimdiff'):
        yield

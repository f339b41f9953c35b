"""Fixtures shared by the tests; the builders behind them are in ``tests/fixtures``."""

import gc
import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope

sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config):
    """Answer Ctrl-C, and share one server that starts commands among the test processes.

    A shell starts programs in the background with Ctrl-C ignored, and all that they start inherits
    it, the programs whose answer to Ctrl-C is tested as well. The server's imports are paid once.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption('dist', 'no') != 'no' and not hasattr(config, 'workerinput'):
        from fixtures.processes import SHARED_SERVER, start_server

        os.environ[SHARED_SERVER] = str(start_server())


def pytest_collection_finish(session):
    """The engine collects garbage for each data set that it serialises: not among the modules.

    With all of them imported a collection takes a quarter of a second, with them frozen nothing.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_scope_is_left_behind():
    """A test that sets the engine's default scope does not set it for the next one."""
    before = DefaultScope._instance_dict.copy()
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)


@pytest.fixture(autouse=True)
def _no_server_is_left_in_use():
    """After a test that reads from a server, one of a damaged local file would wait 15 seconds."""
    yield
    network = sys.modules.get('swimdiff.datasets.geo.network')
    if network is not None:
        network._in_use = False


@pytest.fixture
def seco_root(shared_seco_root, tmp_path):
    """A small SeCo tree to damage: three locations of two dates, all bands."""
    # Without the index that other tests have written into it.
    return shutil.copytree(
        shared_seco_root, tmp_path / 'seco', ignore=shutil.ignore_patterns('.swimdiff*')
    )


@pytest.fixture(scope='session')
def shared_seco_root(tmp_path_factory):
    """The same tree, written once; for tests that only read."""
    from fixtures.seco import write_tree

    return write_tree(tmp_path_factory.mktemp('shared') / 'seco')


@pytest.fixture
def short_search(monkeypatch):
    """The linear probe takes few steps of few penalties; its own test follows it to the end."""
    from swimdiff.evaluation import linear_probe, probe

    few = partial(probe.search_linear, penalties=linear_probe.PENALTIES[::3], iterations=10)
    monkeypatch.setattr(probe, 'search_linear', few)

import os

import pytest


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch):
    """Writing through to the disk is not what is tested here, and takes minutes on a busy one."""
    monkeypatch.setattr(os, 'fsync', lambda _: None)
    monkeypatch.setattr(os, 'sync', lambda: None)

"""Ray is an extra: without it one line says so."""

import sys

import pytest

from swimdiff.errors import ConfigError
from swimdiff.inference.jobs import import_ray


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(ConfigError, match=r"pip install 'swimdiff\[ray\]'"):
        import_ray()

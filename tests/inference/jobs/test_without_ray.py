"""Ray is an extra: without it, or without a cluster that takes us in, one line says so."""

import sys
from types import SimpleNamespace

import pytest

from swimdiff.errors import ConfigError
from swimdiff.inference.jobs import import_ray, run_on_ray


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(ConfigError, match=r"pip install 'swimdiff\[ray\]'"):
        import_ray()


class RefusingRay:
    """Stands in for Ray 2.60 before a cluster whose token this process lacks."""

    class exceptions:
        class RayError(Exception):
            pass

    def __init__(self, error):
        self.error = error

    def is_initialized(self):
        return False

    def init(self, **options):
        raise self.error


@pytest.mark.parametrize('error', [ConnectionError, RefusingRay.exceptions.RayError])
def test_a_cluster_that_asks_for_a_token_is_told_how(monkeypatch, error):
    # Ray names the token in its second error only; the first says no more than "failed to connect".
    monkeypatch.setitem(sys.modules, 'ray', RefusingRay(error('why not')))
    with pytest.raises(ConfigError, match=r'HOST:6379: .*why not.*RAY_AUTH_MODE=token'):
        run_on_ray(SimpleNamespace(), lambda: None, 'HOST:6379')


def test_a_cluster_of_this_machine_that_does_not_start_has_no_address_to_name(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', RefusingRay(RuntimeError('no room')))
    with pytest.raises(ConfigError, match=r'^--ray: no Ray cluster could be started.*no room'):
        run_on_ray(SimpleNamespace(), lambda: None)

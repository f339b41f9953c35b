import pytest


@pytest.fixture
def oscd_root(tmp_path):
    """An OSCD tree to damage."""
    from fixtures.change import write_oscd

    return write_oscd(tmp_path / 'oscd')


@pytest.fixture
def levir_root(tmp_path):
    """A LEVIR-CD tree to damage."""
    from fixtures.change import write_levir

    return write_levir(tmp_path / 'levir')

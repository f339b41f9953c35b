"""The wheel carries configs and tools, names resolve anywhere, requirements agree."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from swimdiff.environment.openmmlab import TESTED
from swimdiff.errors import ConfigError
from swimdiff.launch.paths import find_config, find_tool, list_configs

ROOT = Path(__file__).resolve().parents[1]
MAIN = 'swimdiff_r50_seco.py'


def requirements(name):
    lines = (ROOT / 'requirements' / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith('#')]


def run(*command, cwd, **environment):
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )


# ------------------------------------------------------------------ names of configs and tools


@pytest.mark.parametrize(
    'name', [MAIN, MAIN[:-3], f'configs/{MAIN}', f'swimdiff::{MAIN}', f'_base_/../{MAIN}']
)
def test_config_is_found_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name).resolve() == ROOT / 'configs' / MAIN


def test_a_file_at_hand_wins_over_one_of_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / MAIN).touch()
    assert find_config(MAIN) == tmp_path / MAIN
    assert find_config(f'swimdiff::{MAIN}').resolve() == ROOT / 'configs' / MAIN


def test_unknown_config_lists_the_nearest_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r'swimdif_r50_seko.*Nearest: [^ ]*' + re.escape(MAIN)):
        find_config('swimdif_r50_seko')


def test_a_bare_name_that_two_folders_have_is_refused(tmp_path, monkeypatch):
    for folder in ('one', 'two'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'twin.py').touch()
    (tmp_path / 'one' / 'single.py').touch()
    monkeypatch.setattr('swimdiff.launch.paths.config_root', lambda: tmp_path)
    assert find_config('single') == tmp_path / 'one' / 'single.py'
    with pytest.raises(ConfigError, match=r'one/twin\.py, two/twin\.py'):
        find_config('twin')


def test_pieces_are_not_offered_as_configs():
    assert MAIN in list_configs()
    assert not any('_base_' in name for name in list_configs())


def test_unknown_tool_lists_the_nearest_name():
    with pytest.raises(ConfigError, match=r'none of this name. Nearest: train'):
        find_tool('trian')


# ------------------------------------------------------------------ the wheel


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Build the wheel from a copy: setuptools leaves its build folder beside the sources."""
    work = tmp_path_factory.mktemp('wheel')
    source = work / 'source'
    source.mkdir()
    for name in ('swimdiff', 'configs', 'tools', 'requirements'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    pip = (sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation')
    built = run(*pip, '-w', str(work), str(source), cwd=work)
    assert built.returncode == 0, built.stderr
    (path,) = work.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """Unpack the wheel as pip would, in a folder of its own."""
    site = tmp_path_factory.mktemp('site')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_wheel_holds_configs_and_tools_without_benchmarks_or_anything_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, suffixes in (('configs', ('.py', '.yml')), ('tools', ('.py',))):
        for path in (ROOT / folder).rglob('*'):
            if path.suffix in suffixes:
                packed = f'swimdiff/.mim/{path.relative_to(ROOT).as_posix()}' in names
                assert packed == ('benchmarks' not in path.parts)
    assert 'swimdiff/.mim/model-index.yml' in names
    pages = [
        path for ending in ('jinja', 'css') for path in (ROOT / 'swimdiff').rglob(f'*.{ending}')
    ]
    assert len(pages) > 9 and {str(path.relative_to(ROOT)) for path in pages} <= names
    assert {name.split('/')[0].split('-')[0] for name in names} == {'swimdiff'}


def test_wheel_requires_what_runtime_txt_lists(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
        fields = Parser().parsestr(archive.read(name).decode())
    plain = {line for line in fields.get_all('Requires-Dist') if 'extra ==' not in line}
    assert {Requirement(line) for line in plain} == set(requirements('runtime.txt'))
    assert SpecifierSet(fields['Requires-Python']) == SpecifierSet('>=3.10')


def test_installed_configs_load_by_name_through_the_engine(installed, tmp_path):
    child = tmp_path / 'child.py'
    child.write_text(f"_base_ = ['swimdiff::_base_/../{MAIN}']\nwork_dir = 'mine'\n")
    code = (
        'import sys; from mmengine.config import Config; from swimdiff.launch import paths\n'
        f'path = paths.find_config({MAIN!r}); print(path)\n'
        'ours, child = Config.fromfile(path), Config.fromfile(sys.argv[1])\n'
        'assert child.work_dir == "mine" and child.model.type == ours.model.type == "SwiMDiff"'
    )
    done = run(sys.executable, '-c', code, str(child), cwd=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == installed / 'swimdiff' / '.mim' / 'configs' / MAIN


def test_installed_tools_run_by_name(installed, tmp_path):
    command = (sys.executable, '-m', 'swimdiff')
    listed = run(*command, cwd=tmp_path, PYTHONPATH=str(installed))
    assert listed.returncode == 0 and {'train', 'doctor'} <= set(listed.stdout.split())
    assert run(*command, 'trian', cwd=tmp_path, PYTHONPATH=str(installed)).returncode == 2
    (installed / 'swimdiff/.mim/tools/echo.py').write_text(
        'import sys; print(__name__, sys.argv[1:], __file__)'
    )
    ran = run(*command, 'echo', 'a', '--b', cwd=tmp_path, PYTHONPATH=str(installed))
    tool = installed / 'swimdiff' / '.mim' / 'tools' / 'echo.py'
    assert ran.stdout.strip() == f"__main__ ['a', '--b'] {tool}"


# ------------------------------------------------------------------ requirements


def constraints(python):
    found = {}
    for requirement in requirements('constraints.txt'):
        if requirement.marker is None or requirement.marker.evaluate({'python_version': python}):
            assert canonicalize_name(requirement.name) not in found, f'{requirement.name} twice'
            (pin,) = requirement.specifier
            assert pin.operator == '=='
            found[canonicalize_name(requirement.name)] = pin.version
    return found


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12'])
def test_every_requirement_has_a_tested_version_within_its_bounds(python):
    pins = constraints(python)
    assert TESTED.items() <= pins.items()
    files = ('runtime', 'optional', 'maps', 'export', 'ray', 'docs', 'tests', 'sample_scene')
    for name in (f'{file}.txt' for file in files):
        for requirement in requirements(name):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_every_bound_has_a_reason_above_it():
    for path in (ROOT / 'requirements').glob('*.txt'):
        lines = path.read_text().splitlines()
        for before, line in zip(['', *lines], lines, strict=False):
            bare = path.name != 'constraints.txt' and line and not line.startswith('#')
            # The four forks share one reason.
            if bare and not (line.startswith('onedl-') and before.startswith('onedl-')):
                assert before.startswith('# '), f'{path.name}: {line}'


# ------------------------------------------------------------------ the installer's refusals


def fake_python(path, version):
    """Write a Python that says its version and can do nothing else."""
    path.write_text(
        f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; *) exit 1 ;; esac\n'
    )
    path.chmod(0o755)
    return str(path)


def install(tmp_path, **environment):
    command = ('bash', str(ROOT / 'tools' / 'install.sh'))
    settings = {'SWIMDIFF_VENV': str(tmp_path / 'my venv'), 'SWIMDIFF_APT': 'no', **environment}
    return run(*command, cwd=tmp_path, **settings)


def test_installer_names_a_python_that_does_not_fit(tmp_path):
    done = install(tmp_path, SWIMDIFF_PYTHON=fake_python(tmp_path / 'python', '3.9'))
    assert done.returncode == 1
    assert 'is Python 3.9; 3.10, 3.11 or 3.12 is needed' in done.stderr


def test_installer_says_once_what_to_install_where_it_may_not(tmp_path):
    done = install(tmp_path, SWIMDIFF_PYTHON=fake_python(tmp_path / 'python', '3.11'))
    assert done.returncode == 1
    assert re.search(r'apt: +sudo apt-get .*install -y .*python3\.11-venv.*libgl1', done.stderr)
    assert len(re.findall(r'^  (?:apt|conda|brew):', done.stderr, re.M)) == 3


def test_installer_leaves_a_strangers_folder_alone(tmp_path):
    folder = tmp_path / 'my venv'
    folder.mkdir()
    (folder / 'thesis.tex').write_text('years of work')
    done = install(tmp_path)
    assert done.returncode == 1 and 'neither empty nor an environment' in done.stderr
    assert [path.name for path in folder.iterdir()] == ['thesis.tex']


def test_installer_never_empties_an_environment_it_only_used(tmp_path):
    """A lock left in a stranger's environment, broken since, gives no right to its files."""
    folder = tmp_path / 'my venv'
    folder.mkdir()
    for name in ('.swimdiff-lock', '.swimdiff-log', '.swimdiff-environment', 'thesis.tex'):
        (folder / name).touch()
    before = sorted(folder.iterdir())
    done = install(tmp_path)
    assert done.returncode == 1 and 'neither empty nor an environment' in done.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize('made', [True, False])
def test_installer_empties_what_it_made(tmp_path, made):
    """The function alone, with a stand-in for the Python that would make the environment."""
    folder = tmp_path / 'my venv'
    folder.mkdir()
    (folder / 'half').touch()
    if made:
        (folder / '.swimdiff-made').touch()
    text = (ROOT / 'tools' / 'install.sh').read_text()
    (tmp_path / 'tools').mkdir()
    script = tmp_path / 'tools' / 'install.sh'
    script.write_text(re.sub(r'^prepare$', 'BASE=true; make_venv; exit', text, flags=re.M))
    done = run('bash', str(script), cwd=tmp_path, SWIMDIFF_VENV=str(folder))
    assert (done.returncode == 0) == made and (folder / 'half').exists() != made
    assert (folder / '.swimdiff-made').exists() == made

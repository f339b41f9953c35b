"""Files for a public host: the workflow calls scripts that are there, and the facts agree."""

import configparser
import re
import shlex
import subprocess

import pytest
import yaml
from fixtures.runs import ROOT

from swimdiff import __version__

WORKFLOW = yaml.safe_load((ROOT / '.github/workflows/ci.yml').read_text())
JOBS = WORKFLOW['jobs']
SCRIPTS = [
    (job, step['run']) for job, body in JOBS.items() for step in body['steps'] if 'run' in step
]


def supported_pythons():
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    return re.findall(r'Python :: (3\.\d+)', setup['metadata']['classifiers'])


@pytest.mark.parametrize('job, command', SCRIPTS)
def test_workflow_calls_scripts_of_the_repository_alone(job, command):
    words = shlex.split(command)
    assert words[0] == 'bash' and (ROOT / words[1]).is_file(), command


def test_workflow_has_the_jobs_and_pythons_that_are_promised():
    assert {'tests', 'docs', 'lowest', 'newest'} == set(JOBS)
    assert JOBS['tests']['strategy']['matrix']['python'] == supported_pythons()
    assert dict(SCRIPTS)['tests'] == 'bash .ci/run'
    assert 'tools/run_tests.sh' in (ROOT / '.ci/run').read_text()
    # YAML reads the key `on` as true.
    assert 'schedule' in WORKFLOW[True]
    versions = {job: body['steps'][-1].get('env', {}) for job, body in JOBS.items()}
    for name in ('lowest', 'newest'):
        assert versions[name]['SWIMDIFF_VERSIONS'] == name


def test_lowest_versions_are_the_bounds_of_the_requirements():
    """The installer's expression, run on the files, against their lines read one by one."""
    text = (ROOT / 'tools/install.sh').read_text()
    expression = re.search(r"sed -nE '(.*)' \"\$ROOT\"/requirements", text)[1]
    files = sorted((ROOT / 'requirements').glob('*.txt'))
    command = ['sed', '-nE', expression, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [line for line in done.stdout.split() if not line.startswith('gdal==')]
    expected = []
    for file in files:
        for line in file.read_text().splitlines():
            # Lines of constraints.txt are exact; GDAL's binding follows the system's library.
            if re.match(r'(?!gdal)[\w.-]+(\[\w+\])?>=', line):
                name, _, bound = line.partition('>=')
                expected.append(f'{name.partition("[")[0]}=={bound.partition(",")[0].strip()}')
    assert found == expected and 'torch==2.11' in found


def test_issue_templates_are_forms():
    for path in (ROOT / '.github/ISSUE_TEMPLATE').glob('*.yml'):
        form = yaml.safe_load(path.read_text())
        if path.name != 'config.yml':
            assert form['name'] and form['description']
            assert any(item.get('validations', {}).get('required') for item in form['body'])


def test_changelog_has_the_version_and_known_headings():
    text = (ROOT / 'CHANGELOG.md').read_text()
    versions = re.findall(r'^## (.+)$', text, re.M)
    assert versions[0] == 'Unreleased'
    assert any(heading.startswith(__version__) for heading in versions)
    kinds = {'Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'}
    assert set(re.findall(r'^### (.+)$', text, re.M)) <= kinds


def test_citation_names_the_paper_and_the_licence():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['license'] == 'Apache-2.0' and citation['cff-version'] == '1.2.0'
    assert '2401.05093' in citation['preferred-citation']['url']

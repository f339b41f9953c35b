"""The doctor on this environment, on none at all, and on each thing that is known to break."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from swimdiff import doctor
from swimdiff.environment import openmmlab
from swimdiff.environment.diagnosis import Report

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def report():
    return Report()


def pretend_installed(monkeypatch, module, **versions):
    """Let only these distributions be installed, as far as one module of checks can see."""
    known = {name.replace('_', '-'): version for name, version in versions.items()}
    monkeypatch.setattr(module, 'version', known.get)


def pretend_module(monkeypatch, module, name, value, why=''):
    real = module.load_module
    monkeypatch.setattr(
        module, 'load_module', lambda asked: (value, why) if asked == name else real(asked)
    )


def only(report):
    (finding,) = report.findings
    return finding


def test_this_environment_is_sound(capsys):
    assert doctor.main(['--json']) == 0
    told = json.loads(capsys.readouterr().out)
    assert told['ok'] and not [item for item in told['findings'] if item['status'] == 'error']
    assert told['stack']['torch'].startswith(torch.__version__)
    for module in openmmlab.PROVIDERS:
        assert 'maintained fork' in told['stack'][module]


def test_runs_where_nothing_is_installed():
    # -S: no site-packages. Whatever cannot be had must be reported, not raised.
    command = [sys.executable, '-S', '-m', 'swimdiff.doctor', '--json']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={'PATH': '/bin'})
    assert done.returncode == 1, done.stderr
    broken = {item['subject'] for item in json.loads(done.stdout)['findings']}
    assert {'torch', 'mmengine', 'mmcv', 'mmpretrain', 'mmseg', 'opencv', 'gdal'} <= broken


def test_torchvision_without_its_operators(report, monkeypatch):
    def broken(*_):
        raise RuntimeError('operator torchvision::nms does not exist')

    monkeypatch.setattr('torchvision.ops.nms', broken)
    doctor.check_torch(report)
    finding = only(report)
    assert finding.subject == 'torchvision' and 'nms does not exist' in finding.problem
    assert 'torch==2.12.0 torchvision==0.27.0' in finding.remedy and not report.ok


def test_torchvision_that_is_missing(report, monkeypatch):
    pretend_module(monkeypatch, doctor, 'torchvision', None, 'ModuleNotFoundError: torchvision')
    pretend_installed(monkeypatch, doctor)
    doctor.check_torch(report)
    # Nothing to replace: a plain install is enough.
    assert '--force-reinstall' not in only(report).remedy and not report.ok


def test_fork_and_original_side_by_side(report, monkeypatch):
    pretend_installed(
        monkeypatch,
        openmmlab,
        onedl_mmengine='0.10.12',
        onedl_mmcv='2.3.6',
        mmcv='2.1.0',
        onedl_mmpretrain='1.3.6',
        onedl_mmsegmentation='1.4.2',
    )
    openmmlab.check_openmmlab(report)
    finding = report.findings[0]
    assert finding.problem == 'onedl-mmcv and mmcv overwrite each other' and not report.ok
    assert 'uninstall -y onedl-mmcv mmcv && ' in finding.remedy
    assert 'onedl-mmcv==2.3.6' in finding.remedy.split(' && ')[1]


def test_originals_are_recognised_and_warned_of_with_numpy_2(report, monkeypatch):
    pretend_installed(
        monkeypatch,
        openmmlab,
        mmengine='0.10.7',
        mmcv_lite='2.1.0',
        mmpretrain='1.2.0',
        mmsegmentation='1.2.2',
        numpy='2.0.1',
    )
    openmmlab.check_openmmlab(report)
    assert 'mmcv-lite 2.1.0; as first published' in report.stack['mmcv']
    finding = only(report)
    assert finding.subject == 'numpy' and finding.status == 'warning' and report.ok
    assert 'uninstall -y mmengine mmcv-lite mmpretrain mmsegmentation' in finding.remedy


def test_version_cap_of_an_original_is_quoted(report, monkeypatch):
    why = 'AssertionError: MMCV==2.2.0 is used but incompatible. Please install mmcv>=2.0.0rc4.'
    pretend_installed(monkeypatch, openmmlab, mmsegmentation='1.2.2')
    pretend_module(monkeypatch, openmmlab, 'mmseg', None, why)
    openmmlab.check_openmmlab(report)
    (finding,) = (item for item in report.findings if item.subject == 'mmseg')
    assert why in finding.problem and 'onedl-mmsegmentation==1.4.2' in finding.remedy


def test_engine_that_cannot_load_its_own_checkpoint(report, monkeypatch):
    # What mmengine as first published comes to from torch 2.6 on, done for real.
    def strict(path, map_location):
        return torch.load(path, map_location=map_location, weights_only=True)

    monkeypatch.setattr('mmengine.runner.CheckpointLoader.load_checkpoint', strict)
    openmmlab.check_openmmlab(report)
    finding = only(report)
    assert finding.subject == 'mmengine' and 'cannot load its own checkpoints' in finding.problem
    assert 'onedl-mmengine==0.10.12' in finding.remedy and not report.ok


def test_two_opencvs(report, monkeypatch):
    pretend_installed(
        monkeypatch, doctor, opencv_python='5.0.0.93', opencv_python_headless='4.11.0.86'
    )
    doctor.check_opencv(report)
    assert 'opencv-python and opencv-python-headless' in only(report).problem


def test_opencv_without_system_libraries_names_the_apt_line(report, monkeypatch):
    why = 'ImportError: libGL.so.1: cannot open shared object file: No such file or directory'
    pretend_module(monkeypatch, doctor, 'cv2', None, why)
    doctor.check_opencv(report)
    assert only(report).remedy == 'sudo apt-get install -y libgl1 libglib2.0-0' and not report.ok


def test_what_breaks_because_opencv_is_broken_is_not_reported_too(report, monkeypatch):
    why = "ModuleNotFoundError: No module named 'cv2'"
    pretend_module(monkeypatch, doctor, 'cv2', None, why)
    pretend_module(monkeypatch, openmmlab, 'mmcv', None, why)
    doctor.check_opencv(report)
    openmmlab.check_openmmlab(report)
    assert only(report).subject == 'opencv' and 'opencv-python' in only(report).remedy


def fake_gdal(binding, library, drivers):
    return SimpleNamespace(
        __version__=binding,
        VersionInfo=lambda _: library,
        GetDriverByName=lambda name: object() if name in drivers else None,
    )


@pytest.mark.parametrize(
    ('gdal', 'status', 'problem'),
    [
        (
            fake_gdal('3.6.2', '3.9.1', ('GTiff', 'JP2OpenJPEG')),
            'error',
            'another library than 3.9.1',
        ),
        (fake_gdal('3.6.2', '3.6.2', ('JP2OpenJPEG',)), 'error', 'no driver GTiff'),
        (fake_gdal('3.6.2', '3.6.4', ('GTiff',)), 'warning', 'no driver JP2OpenJPEG'),
    ],
)
def test_gdal_that_does_not_fit(report, monkeypatch, gdal, status, problem):
    pretend_module(monkeypatch, doctor, 'osgeo.gdal', gdal)
    doctor.check_gdal(report)
    finding = only(report)
    assert finding.status == status and problem in finding.problem and finding.remedy


def test_gdal_compiled_for_another_numpy(report, monkeypatch):
    why = 'ImportError: numpy.core.multiarray failed to import'
    pretend_module(monkeypatch, doctor, 'osgeo.gdal_array', None, why)
    monkeypatch.setattr(doctor, 'find_spec', lambda name: name == 'osgeo._gdal_array')
    doctor.check_gdal(report)
    finding = only(report)
    assert finding.status == 'warning' and 'another NumPy' in finding.problem
    # NumPy's own headers come before those in Python's include folder.
    assert finding.remedy.startswith(f'CPPFLAGS=-I{np.get_include()} ')
    assert '--force-reinstall' in finding.remedy


def test_without_gdal_the_rest_is_fine(report, monkeypatch):
    pretend_module(monkeypatch, doctor, 'osgeo.gdal', None, 'ModuleNotFoundError: osgeo')
    pretend_installed(monkeypatch, doctor)
    doctor.check_gdal(report)
    assert only(report).status == 'warning' and report.ok


def test_versions_outside_the_bounds(report, monkeypatch):
    versions = {'torch': '2.10.0', 'pillow': '9.5.0', 'matplotlib': None}
    real = doctor.version
    monkeypatch.setattr(doctor, 'version', lambda name: versions.get(name, real(name)))
    doctor.check_requirements(report)
    found = {item.subject: item for item in report.findings}
    assert set(found) == {'torch', 'pillow', 'matplotlib'}
    assert found['matplotlib'].status == 'error' and found['torch'].status == 'warning'
    assert found['pillow'].remedy.endswith("'pillow>=10.1'")

"""Print what the environment is made of, what does not fit, and the line that repairs it.

``python -m swimdiff.doctor [--json]`` ends with 0 when everything required works, else with 1. It
tries the pieces (an operator of torchvision, a checkpoint of the engine, a driver of GDAL) instead
of comparing versions where it can, and runs whatever is missing. Nothing else here checks versions.

Examples:
    python -m swimdiff doctor
    python -m swimdiff doctor --json
"""

from __future__ import annotations

import contextlib
import importlib
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from swimdiff.environment.diagnosis import (
    Report,
    first_line,
    load_module,
    pip_line,
    release,
    version,
)
from swimdiff.environment.openmmlab import TESTED, check_openmmlab, pinned
from swimdiff.launch.command_line import CommandParser
from swimdiff.version import __version__

__all__ = ['examine', 'main']

OPENCV = (
    'opencv-python',
    'opencv-python-headless',
    'opencv-contrib-python',
    'opencv-contrib-python-headless',
)
APT_OPENCV = 'sudo apt-get install -y libgl1 libglib2.0-0'
APT_GDAL = 'sudo apt-get install -y libgdal-dev g++ python3-dev'


def check_python(report: Report) -> None:
    """Check Python itself, the system, and which code of ours runs."""
    report.stack['python'] = f'{platform.python_version()} ({sys.executable})'
    report.stack['system'] = f'{platform.platform()}'
    package = Path(__file__).resolve().parent
    commit = ''
    if (package.parent / '.git').exists():
        command = [
            'git',
            '-C',
            str(package.parent),
            'describe',
            '--always',
            '--dirty',
            '--exclude',
            '*',
        ]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            commit = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=20
            ).stdout
    report.stack['swimdiff'] = f'{__version__} {commit.strip()} ({package})'.replace('  ', ' ')
    if sys.version_info >= (3, 13):
        report.warn(
            'python',
            f'nobody has tried {platform.python_version()} yet, 3.10 to 3.12 are known to work',
            'SWIMDIFF_PYTHON=python3.11 bash tools/install.sh',
        )


def check_torch(report: Report) -> None:
    """Check torch, its device, and whether torchvision's operators load beside it."""
    torch, why = load_module('torch')
    pair = pinned('torch', 'torchvision')
    if torch is None:
        report.fail('torch', f'cannot be imported ({why})', pip_line('install', *pair))
        return
    cuda = torch.version.cuda
    report.stack['torch'] = f'{torch.__version__} ({f"CUDA {cuda}" if cuda else "CPU build"})'
    report.stack['device'] = 'cpu'
    if torch.cuda.is_available():
        report.stack['device'] = f'{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}'
        try:
            torch.ones(2, device='cuda').sum().item()
        except RuntimeError as error:
            report.warn(
                'torch',
                f'the GPU does not compute ({first_line(error)})',
                pip_line('install', *pair),
            )

    vision, why = load_module('torchvision')
    if vision is not None:
        report.stack['torchvision'] = vision.__version__
        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]])
        try:
            rows = importlib.import_module('torchvision.ops').nms(
                boxes, torch.tensor([0.9, 0.8]), 0.5
            )
            why = '' if rows.tolist() == [0] else f'its operator nms gives {rows.tolist()}, not [0]'
        except Exception as error:
            why = first_line(error)
    if why:
        same = f'{torch.__version__}'.split('+')[0] == TESTED['torch']
        # pip leaves a version alone that is there already, even when it is the wrong build.
        force = ['--force-reinstall', '--no-deps'] if same and version('torchvision') else []
        there = version('torchvision') or 'missing'
        problem = f'{there}, does not work with torch {torch.__version__} ({why})'
        report.fail('torchvision', problem, pip_line('install', *force, *pair))


def check_opencv(report: Report) -> None:
    """Check OpenCV: one distribution of it, with the system libraries it wants."""
    names = [name for name in OPENCV if version(name)]
    module, why = load_module('cv2')
    report.stack['opencv'] = ', '.join(f'{name} {version(name)}' for name in names) or 'missing'
    again = pip_line('install', '--force-reinstall', '--no-deps', 'opencv-python')
    if len(names) > 1:
        remedy = f'{pip_line("uninstall", "-y", *names)} && {again}'
        report.warn('opencv', f'{" and ".join(names)} overwrite each other', remedy)
    if module is None:
        problem = f'cannot be imported ({why})'
        report.fail('opencv', problem, APT_OPENCV if 'cannot open shared object' in why else again)


def check_gdal(report: Report) -> None:
    """Check GDAL: binding and library of one version, with the drivers needed.

    GeoTIFF and JPEG 2000 are needed.
    """
    try:
        config = ['gdal-config', '--version']
        library = subprocess.run(config, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        library = ''
    build = pip_line(
        'install',
        '--no-build-isolation',
        '--no-deps',
        '--no-cache-dir',
        '--force-reinstall',
        f'gdal=={library}',
    )
    remedy = build if library else f'{APT_GDAL} && bash tools/install.sh'
    gdal, why = load_module('osgeo.gdal')
    if gdal is None:
        report.stack['gdal'] = f'library {library or "missing"}, no binding'
        if version('gdal'):
            report.fail('gdal', f'binding {version("gdal")} does not load ({why})', remedy)
        else:
            report.warn('gdal', 'is missing: no raster can be opened, all else works', remedy)
        return
    binding, library_release = gdal.__version__, gdal.VersionInfo('RELEASE_NAME')
    report.stack['gdal'] = f'library {library_release}, binding {binding}'
    if release(binding) != release(library_release):
        report.fail(
            'gdal',
            f'binding {binding} was built for another library than {library_release}',
            remedy,
        )
    if find_spec('osgeo._gdal_array') and load_module('osgeo.gdal_array')[0] is None:
        numpy, _ = load_module('numpy')
        headers = f'CPPFLAGS=-I{numpy.get_include()} ' if numpy else ''
        report.warn(
            'gdal',
            'its part for NumPy was compiled for another NumPy: swimdiff goes without it, '
            'but ReadAsArray() fails',
            headers + build,
        )
    drivers = {name: gdal.GetDriverByName(name) is not None for name in ('GTiff', 'JP2OpenJPEG')}
    report.stack['gdal'] += f', {" ".join(name for name, has in drivers.items() if has)}'
    if not drivers['GTiff']:
        report.fail('gdal', 'has no driver GTiff, so no GeoTIFF can be opened', APT_GDAL)
    if not drivers['JP2OpenJPEG']:
        remedy = (
            'conda install -c conda-forge libgdal-jp2openjpeg'
            if 'conda' in sys.prefix
            else APT_GDAL
        )
        report.warn(
            'gdal', 'has no driver JP2OpenJPEG: Sentinel-2 scenes as delivered stay shut', remedy
        )


def check_requirements(report: Report) -> None:
    """Check by version all else that requirements/runtime.txt lists."""
    file = Path(__file__).resolve().parents[1] / 'requirements' / 'runtime.txt'
    try:
        from packaging.requirements import Requirement

        lines = file.read_text().splitlines() if file.is_file() else metadata.requires('swimdiff')
    except (ModuleNotFoundError, metadata.PackageNotFoundError) as error:
        report.fail(
            'requirements',
            f'cannot be checked ({first_line(error)})',
            pip_line('install', 'packaging'),
        )
        return
    for line in lines or []:
        if not line or line.startswith('#') or 'extra ==' in line:
            continue
        requirement = Requirement(line)
        installed_version = version(requirement.name)
        if installed_version and requirement.name not in TESTED:
            report.stack.setdefault(requirement.name, installed_version)
        if requirement.name.startswith('onedl-') and not installed_version:
            continue  # another distribution may provide it: see check_openmmlab
        if installed_version is None and requirement.name not in TESTED:
            report.fail(
                requirement.name,
                'is missing',
                pip_line('install', f'{requirement.name}{requirement.specifier}'),
            )
        elif installed_version and not requirement.specifier.contains(
            installed_version, prereleases=True
        ):
            better = pinned('torch', 'torchvision') if requirement.name in TESTED else [line]
            report.warn(
                requirement.name,
                f'{installed_version} is outside {requirement.specifier}',
                pip_line('install', *better),
            )


CHECKS: tuple[Callable[[Report], None], ...] = (
    check_python,
    check_torch,
    check_opencv,
    check_openmmlab,
    check_gdal,
    check_requirements,
)


def examine() -> Report:
    """Look at everything and return what was found."""
    report = Report()
    for check in CHECKS:
        check(report)
    return report


def main(arguments: list[str] | None = None) -> int:
    """Print the report; return 0 when everything required works, else 1."""
    parser = CommandParser(__doc__, prog='python -m swimdiff doctor')
    parser.add_argument(
        '--json', action='store_true', help='print one JSON object for other programs'
    )
    report_as_json = parser.parse_args(arguments).json
    report = examine()
    if report_as_json:
        print(json.dumps({'ok': report.ok, **asdict(report)}, indent=2))
        return int(not report.ok)
    for name, value in report.stack.items():
        print(f'{name:<14}{value}')
    print()
    for finding in report.findings:
        print(f'{finding.status.upper()}: {finding.subject}: {finding.problem}')
        print(f'  repair it: {finding.remedy}')
    print('Something required is broken.' if not report.ok else 'Everything required works.')
    return int(not report.ok)


if __name__ == '__main__':
    sys.exit(main())

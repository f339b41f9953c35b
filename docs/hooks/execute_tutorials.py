"""Execute tutorials at their full settings and keep what they print and draw for their pages.

Some minutes each; run again after a change of their code. `docs/tutorials/images` gets the
pictures as WebP files and a record with date, commit, machine and seconds.

Examples:
    python docs/hooks/execute_tutorials.py
    python docs/hooks/execute_tutorials.py own-scene change --work-dir tutorials
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import resource
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from site_pages import ROOT
from tutorial_records import IMAGES, TUTORIALS, digest_code, list_code_cells

__all__ = ['clean_text', 'execute_tutorial', 'main']

#: Later tutorials take the backbone of the first where it was run in the same folder.
_FIRST = 'own-scene'
_LOSSY_QUALITY = 80
_ANSI = re.compile(r'\x1b\[[0-9;]*[A-Za-z]')


def main(argv: list[str] | None = None) -> None:
    """Execute the tutorials that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted(path.stem for path in TUTORIALS.glob('*.py'))
    known = sorted(names, key=lambda name: name != _FIRST)
    parser.add_argument('names', nargs='*', help=f'of {", ".join(known)} (default: all)')
    parser.add_argument('--work-dir', type=Path, help='what they write (default: thrown away)')
    args = parser.parse_args(argv)
    unknown = set(args.names) - set(known)
    if unknown:
        parser.error(f'no such tutorial: {", ".join(sorted(unknown))}; there are {known}')
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.work_dir or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for name in args.names or known:
            record = execute_tutorial(TUTORIALS / f'{name}.py', folder, IMAGES)
            pictures = sum(len(cell['pictures']) for cell in record['cells'])
            print(
                f'{name}: {pictures} pictures, {record["processor_seconds"]} processor seconds, '
                f'{record["seconds"]} s',
                flush=True,
            )


def execute_tutorial(source: Path, folder: Path, images: Path) -> dict[str, Any]:
    """Execute a tutorial in a kernel of its own and write its record and pictures.

    Args:
        source: The tutorial.
        folder: Folder that it runs in.
        images: Folder of the record and the pictures; older ones of the tutorial go.

    Returns:
        The record as written.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed; nothing was written.
    """
    import jupytext
    from nbclient import NotebookClient

    sys.path.append(str(ROOT))
    from swimdiff.studies.provenance import describe_commit, describe_hardware, describe_now

    paths = [str(ROOT), os.environ.get('PYTHONPATH')]
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
    os.environ.pop('SWIMDIFF_TUTORIAL_QUICK', None)
    notebook = jupytext.read(source, fmt='py:percent')
    threads = int(os.environ.get('OMP_NUM_THREADS', 0))
    hardware = describe_hardware(threads)
    record = dict(
        code=digest_code(notebook),
        commit=describe_commit(),
        date=describe_now(),
        hardware=dict(hardware, threads=threads or hardware['cores'], load=os.getloadavg()[0]),
    )
    resources = dict(metadata=dict(path=str(folder)))
    start, used = time.monotonic(), measure_children()
    NotebookClient(notebook, timeout=7200, kernel_name='python3', resources=resources).execute()
    record['seconds'] = round(time.monotonic() - start)
    record['processor_seconds'] = round(measure_children() - used)
    record['cells'] = keep_outputs(notebook, source.stem, folder, images)
    (images / f'{source.stem}.json').write_text(json.dumps(record, indent=1) + '\n')
    return record


def measure_children() -> float:
    """Return the processor seconds of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def keep_outputs(notebook: Any, name: str, folder: Path, images: Path) -> list[dict[str, Any]]:
    """Write the pictures of an executed notebook; returns text and pictures of each code cell.

    Args:
        notebook: After its execution.
        name: Of the tutorial.
        folder: Folder that it ran in.
        images: Folder of the pictures.
    """
    images.mkdir(parents=True, exist_ok=True)
    for path in images.glob(f'{name}-*.webp'):
        if path.stem.removeprefix(f'{name}-').isdigit():
            path.unlink()
    cells, number = [], 0
    for cell in list_code_cells(notebook):
        pictures = []
        for output in cell.get('outputs', ()):
            drawn = output.get('data', {}).get('image/png')
            if drawn:
                number += 1
                pictures.append(f'{name}-{number}.webp')
                (images / pictures[-1]).write_bytes(shrink_picture(base64.b64decode(drawn)))
        text = ''.join(map(read_text, cell.get('outputs', ())))
        cells.append(dict(text=clean_text(text, folder), pictures=pictures))
    return cells


def read_text(output: Any) -> str:
    """Return what an output says in a notebook, '' for a picture."""
    if output.output_type == 'stream':
        return output.text if output.name == 'stdout' else ''
    data = output.get('data', {})
    text = '' if 'image/png' in data else data.get('text/plain', '')
    # The value of `write_text` at the end of a cell, which nobody asks for.
    return '' if text.isdigit() else text


def clean_text(text: str, folder: Path) -> str:
    """Return printed text without colours and without the folders of this machine.

    Args:
        text: As printed.
        folder: Folder that the tutorial ran in.
    """
    text = _ANSI.sub('', text)
    # The longest first: one may lie in another.
    known = {
        f'{folder}/': '',
        str(folder): '.',
        sysconfig.get_paths()['purelib']: 'site-packages',
        str(ROOT): 'CHECKOUT',
        str(Path.home()): '~',
    }
    for place in sorted(known, key=len, reverse=True):
        text = text.replace(place, known[place])
    return text


def shrink_picture(png: bytes) -> bytes:
    """Return a picture as WebP: exact for curves, which compress well, lossy for images.

    Args:
        png: Content of a PNG file.
    """
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert('RGB')
    written = []
    for options in (dict(lossless=True), dict(quality=_LOSSY_QUALITY)):
        buffer = io.BytesIO()
        picture.save(buffer, 'WEBP', method=6, **options)
        written.append(buffer.getvalue())
    return min(written, key=len)


if __name__ == '__main__':
    main()

r"""Damage small archives in many ways, and judge what every reader makes of each.

    python tools/benchmarks/fuzz_readers.py [--cases 40] [--seed 0] [--readers SeCo OSCD ...]
    python tools/benchmarks/fuzz_readers.py --repeat OSCD:17    # one case, with its traceback

For developers, in a checkout: the archives are written by the tests' fixtures, in true layouts.
Each case copies an archive, damages one file or folder (bytes, sizes, types, names), opens it in a
process of its own and reads every sample. Allowed are the right result, an error of
swimdiff.errors, a skip that is counted or logged, and a smaller archive where a whole sample was
removed. Not allowed: any other exception, a crash, a hang, or another result without a word. Pixels
that change although GDAL too reads the file without complaint cannot be detected and are counted
apart. The exit code is 1 where something is not allowed.
"""

import argparse
import gc
import hashlib
import json
import logging
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / 'tests' / 'fixtures').is_dir():
    sys.exit(f'{ROOT}/tests is missing: fuzz_readers.py needs a checkout, with its tests.')
sys.path[:0] = [str(ROOT / 'tests'), str(Path(__file__).parent)]

from _fuzz_damage import DAMAGES, is_raster, read_alone  # noqa: E402
from fixtures import archives, bigearthnet, change, eurosat, packs, pictures, rasters, seco  # noqa: E402

from swimdiff.errors import SwiMDiffError  # noqa: E402
from swimdiff.progress import track  # noqa: E402
from swimdiff.registry import DATASETS  # noqa: E402

TIMEOUT = 120  # seconds for one case
RGB_FILES = ('B2', 'B3', 'B4')


@dataclass(frozen=True)
class Reader:
    """Describe one reader under test.

    Args:
        write: Writes its archive into a folder.
        configs: Data sets over that folder, read one after the other.
        unit: ``file`` or ``folder``: what one sample is. Removed whole, it is a smaller archive.
        free: Whether any name is a sample's name: then a copy is one more sample.
        tolerant: Whether ``max_unreadable`` is an option.
        valid: Damages that leave a file that this reader may take for another whole one.
    """

    write: Callable[[Path], object]
    configs: tuple[dict[str, Any], ...]
    unit: str
    free: bool = False
    tolerant: bool = False
    valid: tuple[str, ...] = ()


def _patches(kind: str, **options: Any) -> tuple[dict[str, Any], ...]:
    load = [dict(type='LoadPatch')]
    return (dict(type=kind, index_cache=None, pipeline=load, **options),)


def _splits(kind: str, load: str, **options: Any) -> tuple[dict[str, Any], ...]:
    pipeline = [dict(type=load)] if load else []
    splits = ('train', 'val', 'test')
    return tuple(dict(type=kind, split=split, pipeline=pipeline, **options) for split in splits)


def _write_rasters(root: Path) -> None:
    for number in range(3):
        planes = np.stack([rasters.noise(64, 64, 10 * number + band) for band in range(3)])
        west = rasters.WEST + 10_000 * number
        rasters.write(root / f'scene_{number}.tif', planes, west, names=('B02', 'B03', 'B04'))


def _write_raster_bands(root: Path) -> None:
    for number in range(2):
        stem = root / f'tile{number}' / f'T33UUP_2017061{number}T101031'
        west = rasters.WEST + 10_000 * number
        rasters.write_bands(stem, rasters.scene_bands(number, 96), west=west)


def _write_bigearthnet(root: Path) -> None:
    names = [bigearthnet.write_patch(root, number) for number in (0, 1, 2, 4)]
    lists = root / 'lists'
    lists.mkdir()
    for part, part_names in dict(train=names[:2], val=names[2:3], test=names[3:]).items():
        (lists / f'{part}.csv').write_text('\n'.join(part_names) + '\n')


def _write_pack(root: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = seco.write_tree(Path(folder), 2, 1)
        packs.pack_seco(tree, root, workers=1)


READERS: dict[str, Reader] = {
    'SeCo': Reader(
        lambda root: seco.write_tree(root, 2, 2, RGB_FILES),
        _patches('SeCo'),
        'folder',
        tolerant=True,
    ),
    'SSL4EO': Reader(
        lambda root: archives.write_ssl4eo(root, 's2a', 2, RGB_FILES),
        _patches('SSL4EO', stretch=False),
        'folder',
        tolerant=True,
    ),
    'SEN12MS': Reader(
        lambda root: archives.write_sen12ms(root, patches=(30,)),
        _patches('SEN12MS', stretch=False),
        'file',
        tolerant=True,
    ),
    'RasterScenes': Reader(
        _write_rasters,
        _patches('RasterScenes', patch=32, bands=['B04', 'B03', 'B02']),
        'file',
        free=True,
        tolerant=True,
        valid=('resize',),
    ),
    'RasterScenes, bands': Reader(
        _write_raster_bands,
        _patches('RasterScenes', patch=48, bands=['B04', 'B05']),
        'folder',
        free=True,
        tolerant=True,
    ),
    'PictureScenes': Reader(
        lambda root: pictures.write_classes(root, 2, (48, 48)),
        _patches('PictureScenes', patch=48),
        'file',
        free=True,
        tolerant=True,
        valid=('resize', 'change_bands'),  # grey pictures become RGB, as documented
    ),
    'OSCD': Reader(change.write_oscd, (dict(type='OSCD', tile=None, pipeline=[]),), 'folder'),
    'ChangePairs': Reader(
        lambda root: change.write_levir(root, 2, 48),
        _splits('LEVIRCD', 'LoadChangePair'),
        'file',
        True,
    ),
    'EuroSAT': Reader(
        lambda root: eurosat.write_rgb(root, 5), _splits('EuroSAT', 'LoadEuroSAT'), 'file', True
    ),
    'EuroSAT, 13 bands': Reader(
        lambda root: eurosat.write_ms(root, 5), _splits('EuroSAT', 'LoadEuroSAT'), 'file', True
    ),
    'BigEarthNet': Reader(
        _write_bigearthnet,
        _splits('BigEarthNet', 'LoadBigEarthNet', split_dir='{root}/lists', num_classes=43),
        'folder',
    ),
    'packs': Reader(_write_pack, _patches('SeCo'), 'pack', tolerant=True),
}


@dataclass
class Outcome:
    """Hold what a reader made of one case."""

    reader: str
    number: int
    damage: str = ''
    path: str = ''
    what: str = ''
    tolerant: bool = False
    verdict: str = ''
    detail: str = ''

    @property
    def allowed(self) -> bool:
        """Return whether a reader may come to the verdict."""
        return self.verdict not in ('TRACEBACK', 'CRASH', 'HANG', 'SILENT')


class _Listener(logging.Handler):
    """Keep warnings, which count as words."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


def read_all(reader: Reader, root: Path, tolerant: bool) -> tuple[Counter[str], bool]:
    """Read every sample; return their digests, and whether a skip was counted or logged."""
    listener = _Listener()
    MMLogger.get_current_instance().addHandler(listener)
    digests: Counter[str] = Counter()
    has_skips = False
    for config in reader.configs:
        options = {k: v.format(root=root) if isinstance(v, str) else v for k, v in config.items()}
        if tolerant:
            options['max_unreadable'] = 0.9
        dataset = DATASETS.build(dict(options, data_root=str(root)))
        digests.update(digest(dataset[i]) for i in range(len(dataset)))
        skips = getattr(dataset, 'skips', None)
        has_skips |= skips is not None and bool(skips.failures or skips.left_out)
    return digests, has_skips or bool(listener.words)


def digest(item: dict[str, Any]) -> str:
    """Return a digest of what a sample says: pixels, masks, labels; not of its names."""
    total = hashlib.sha256()
    for key in ('img', 'imgs', 'gt_seg_map', 'gt_label'):
        for array in item[key] if isinstance(item.get(key), list) else [item.get(key)]:
            if array is not None:
                array = np.asarray(array)
                total.update(f'{key} {array.shape} {array.dtype}'.encode() + array.tobytes())
    return total.hexdigest()


def damage_tree(root: Path, rng: random.Random, outcome: Outcome) -> Path:
    """Damage one file or folder; return its path."""
    while True:
        name = rng.choice(list(DAMAGES))
        damage, kind = DAMAGES[name]
        paths = sorted(path for path in root.rglob('*') if path.is_file() or kind == 'tree')
        # Rasters are many and text files few: both get their share.
        few = [path for path in paths if not is_raster(path)]
        path = rng.choice(few if few and rng.random() < 0.25 else paths)
        what = damage(root, path, rng)
        if what is not None:
            outcome.damage, outcome.what = name, what
            outcome.path = str(path.relative_to(root))
            return path


def judge(
    reader: Reader, outcome: Outcome, root: Path, path: Path, expected: Counter[str]
) -> tuple[str, str]:
    """Read a damaged archive; return the verdict and a detail."""
    try:
        digests, is_reported = read_all(reader, root, outcome.tolerant)
    except SwiMDiffError as error:
        text = str(error).strip()
        return ('error', text) if text else ('TRACEBACK', f'{type(error).__name__} without a word')
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f'{Path(where.filename).name}:{where.lineno}'
        return 'TRACEBACK', f'{type(error).__name__} ({place}): {str(error)[:200]}'
    lost_digests, extra_digests = expected - digests, digests - expected
    if not lost_digests and not extra_digests:
        return 'right', ''
    if is_reported and not (set(digests) - set(expected)):
        return 'skip', ''
    numbers = (
        f'{lost_digests.total()} of {expected.total()} samples lost, {extra_digests.total()} others'
    )
    kind = DAMAGES[outcome.damage][1]
    if kind == 'tree' and not extra_digests and (reader.unit == 'file' or '.' not in path.name):
        return 'smaller', numbers
    if outcome.damage in reader.valid:
        return 'valid', numbers
    if outcome.damage == 'double' and not lost_digests and reader.free:
        return 'larger', numbers
    if reader.unit != 'pack' and path.is_file() and is_raster(path) and _is_plain(path, outcome):
        return 'undetectable', numbers
    return 'SILENT', f'{numbers}{" (logged)" if is_reported else ""}'


def _is_plain(path: Path, outcome: Outcome) -> bool:
    """Tell whether nothing in a damaged file gives the damage away."""
    return outcome.damage in ('flip', 'flip_header', 'zeros') and read_alone(path) is not None


def prepare_case(
    name: str, number: int, seed: int, whole: Path, folder: Path
) -> tuple[Outcome, Path, Path]:
    """Copy an archive and damage it; return the case, the copy and the path in it."""
    reader, rng = READERS[name], random.Random(f'{seed} {name} {number}')
    outcome = Outcome(name, number, tolerant=reader.tolerant and rng.random() < 0.5)
    # A folder of its own: a library may keep a file open by its path.
    root = folder / str(number) / whole.name
    shutil.copytree(whole, root)
    return outcome, root, damage_tree(root, rng, outcome)


def run_cases(
    name: str, numbers: Sequence[int], seed: int, whole: Path, expected: Counter[str]
) -> Iterator[Outcome]:
    """Run cases in a process of their own, and in another one after a crash or a hang."""
    fork, cases_left = get_context('fork'), list(numbers)
    with tempfile.TemporaryDirectory() as folder:
        while cases_left:
            receive, send = fork.Pipe(duplex=False)

            def work(send: Any = send) -> None:
                for number in cases_left:
                    outcome, root, path = prepare_case(name, number, seed, whole, Path(folder))
                    send.send(outcome)
                    outcome.verdict, outcome.detail = judge(
                        READERS[name], outcome, root, path, expected
                    )
                    send.send(outcome)
                    shutil.rmtree(root, ignore_errors=True)

            process = fork.Process(target=work)
            process.start()
            send.close()
            for number in list(cases_left):
                outcome = Outcome(name, number)
                try:
                    for _ in range(2):  # when it begins, and when it is judged
                        if not receive.poll(TIMEOUT):
                            outcome.verdict = 'HANG'
                            outcome.detail = f'no answer in {TIMEOUT} s'
                            process.kill()
                            break
                        outcome = receive.recv()
                except EOFError:
                    process.join()
                    outcome.verdict, outcome.detail = 'CRASH', f'exit code {process.exitcode}'
                cases_left.remove(number)
                yield outcome
                if outcome.verdict in ('HANG', 'CRASH'):
                    break
            process.join()


def print_report(outcomes: list[Outcome]) -> None:
    """Print verdicts by reader and by damage, then what is not allowed."""
    order = ('right', 'error', 'skip', 'smaller', 'larger', 'valid', 'undetectable')
    verdicts = [*order, *sorted({o.verdict for o in outcomes} - set(order))]
    for by in ('reader', 'damage'):
        print(f'{by:20}' + ''.join(f'{verdict:>14}' for verdict in verdicts))
        for name in dict.fromkeys(getattr(outcome, by) for outcome in outcomes):
            row = Counter(o.verdict for o in outcomes if getattr(o, by) == name)
            print(f'{name:20}' + ''.join(f'{row[verdict]:>14}' for verdict in verdicts))
        print()
    wrong = [outcome for outcome in outcomes if not outcome.allowed]
    print(f'{len(outcomes)} cases, {len(wrong)} not allowed')
    for o in wrong:
        mode = ', max_unreadable=0.9' if o.tolerant else ''
        print(f'  {o.reader}:{o.number} {o.verdict}: {o.path} {o.what}{mode}\n    {o.detail}')


def main(argv: Iterable[str] | None = None) -> int:
    """Run all cases; return 1 where one of them is not allowed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--cases', type=int, default=40, help='for each reader (40)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--readers', nargs='+', choices=READERS, default=list(READERS))
    parser.add_argument('--repeat', metavar='READER:NUMBER', help='run one case again')
    parser.add_argument('--json', type=Path, help='append each outcome to this file, one per line')
    args = parser.parse_args(None if argv is None else list(argv))
    init_default_scope('swimdiff')
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    for handler in MMLogger.get_current_instance().handlers:
        handler.setLevel(logging.CRITICAL)  # warnings are counted, not shown
    name, _, number = (args.repeat or '').rpartition(':')
    outcomes: list[Outcome] = []
    for reader in [name] if name else args.readers:
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / 'archive'
            READERS[reader].write(whole)
            again = Path(folder) / 'again' / 'archive'
            shutil.copytree(whole, again)  # reading writes splits and label files beside the data
            expected_digests, _ = read_all(READERS[reader], again, False)
            if name:
                outcome, root, _ = prepare_case(name, int(number), args.seed, whole, again.parent)
                print(outcome)
                digests, is_reported = read_all(READERS[name], root, outcome.tolerant)
                print(
                    f'{digests.total()} samples, {expected_digests.total()} expected; said so: '
                    f'{is_reported}'
                )
                return 0
            gc.freeze()  # or each child copies what the collector touches
            cases = run_cases(reader, range(args.cases), args.seed, whole, expected_digests)
            try:
                for outcome in track(cases, args.cases, f'Damaging {reader}'):
                    outcomes.append(outcome)
                    if args.json:
                        with args.json.open('a') as lines:
                            lines.write(json.dumps(asdict(outcome)) + '\n')
            except KeyboardInterrupt:
                break  # and report what there is
    print_report(outcomes)
    return int(any(not outcome.allowed for outcome in outcomes))


if __name__ == '__main__':
    sys.exit(main())

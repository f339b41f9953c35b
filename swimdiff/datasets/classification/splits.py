"""Splits with a name and a hash, and stratified subsets without replacement.

A split is a folder with ``train.txt``, ``val.txt`` and ``test.txt``, one sample name a line. The
user's own folder is used as it is; otherwise one is drawn, and written once with its hash. Every
score names the split as ``NAME@HASH``, so that two tables can be told apart.
"""

import csv
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from swimdiff.errors import ConfigError, LayoutError
from swimdiff.files import stage_folder

__all__ = [
    'PARTS',
    'OnDisk',
    'Split',
    'check_fraction',
    'choose_subset',
    'draw_split',
    'get_split',
    'read_names',
    'stratified_subset',
]

PARTS = ('train', 'val', 'test')
#: Shares of a split that is drawn here (configs/classification/README.md, Splits).
_SHARES = (60, 20, 20)
_RECORD = 'split.json'


@dataclass(frozen=True)
class Split:
    """Hold the names of the samples of each part.

    Args:
        name: Short name, e.g. ``eurosat_60-20-20_seed0``.
        parts: Sample names by part, each sorted.
        folder: Where it is written, for messages.
    """

    name: str
    parts: Mapping[str, tuple[str, ...]]
    folder: Path

    @property
    def sha256(self) -> str:
        """Hash all names and the parts they are in, whatever the files and their order."""
        digest = hashlib.sha256()
        for part in sorted(self.parts):
            for name in sorted(self.parts[part]):
                digest.update(os.fsencode(f'{part}\t{name}\n'))
        return digest.hexdigest()

    @property
    def tag(self) -> str:
        """Name and first eight digits of the hash, as scores carry it."""
        return f'{self.name}@{self.sha256[:8]}'

    def names(self, part: str) -> tuple[str, ...]:
        """Return the names of one part.

        Raises:
            ConfigError: The split has no such part.
        """
        if part not in self.parts:
            raise ConfigError(
                f'split={part!r}: {self.folder} has {", ".join(self.parts)}. Choose one of these.'
            )
        return self.parts[part]


@dataclass(frozen=True)
class OnDisk:
    """Describe the samples of an archive on disk, which a drawn split must match.

    Args:
        root: Folder of the samples.
        names: Names of all samples there, in any order.
        published: Number of samples in the released archive; None where there is none.
        what: Word for a sample, for messages.
        archive: Name of the archive, for messages.
        all_used: Whether every sample is in a split; without, a split of a version that kept no
            names cannot be compared.
    """

    root: Path
    names: Collection[str]
    published: int | None = None
    what: str = 'samples'
    archive: str = 'the archive'
    all_used: bool = True

    @property
    def sha256(self) -> str:
        """Hash the names, whatever their order."""
        return hashlib.sha256('\n'.join(sorted(self.names)).encode(errors='replace')).hexdigest()

    def warn_of_parts(self) -> None:
        """Say that a split is about to be drawn from less than the released archive."""
        if self.published is not None and len(self.names) < self.published:
            print_log(
                f'{self.root} holds {len(self.names)} {self.what}, {self.archive} '
                f'{self.published}: the split is drawn from these and is not the one of the whole '
                'set; compare its scores with no other. If that is not meant, unpack the archive '
                'again and delete the split.',
                'current',
                logging.WARNING,
            )

    def check(self, folder: Path, record: Mapping[str, Any], size: int) -> None:
        """Refuse a split that was drawn from other samples than those that are there now.

        Args:
            folder: Folder of the split.
            record: What was written when it was drawn.
            size: Number of samples in it.

        Raises:
            LayoutError: Samples were added, removed or renamed since.
        """
        origin = record.get('drawn_from')
        if origin is None:  # written before the names were kept: the number must do
            if not self.all_used:
                return
            origin = dict(samples=size, sha256=self.sha256)
        if origin.get('samples') == len(self.names) and origin.get('sha256') == self.sha256:
            return
        raise LayoutError(
            f'{folder} was drawn from {origin.get("samples")} {self.what}; there are '
            f'{len(self.names)} now in {self.root}'
            f'{", some with other names" if origin.get("samples") == len(self.names) else ""}. If '
            'the data set was not complete then, delete this folder to draw the split again; if it '
            'is not complete now, unpack it again.'
        )


def _order(name: str, seed: int) -> bytes:
    """Random order that no version of NumPy can change."""
    return hashlib.sha256(os.fsencode(f'{seed}:{name}')).digest()


def stratified_subset(strata: Mapping[str, str], count: int, seed: int) -> list[str]:
    """Draw a subset in which every stratum has its share, without replacement.

    The names, ordered by stratum and at random within it, are taken at equal steps from a random
    start: the size is exact, each stratum gets its share to within one, and the members of strata
    too small for a share of their own are as likely to be drawn as any other.

    Args:
        strata: Stratum of each name (a class, or a set of classes).
        count: Size of the subset, 0 to the number of names.
        seed: Seed of the draw.

    Returns:
        The names drawn, sorted.

    Raises:
        ConfigError: More asked for than there are.
    """
    if not 0 <= count <= len(strata):
        raise ConfigError(f'{count} samples asked for; there are {len(strata)}.')
    order = sorted(strata, key=lambda name: (strata[name], _order(name, seed)))
    start = int.from_bytes(_order('start', seed)[:8], 'big') / 2**64
    return sorted(order[int((i + start) * len(order) / count)] for i in range(count))


def check_fraction(fraction: float) -> None:
    """Refuse a share of a part that is none.

    Raises:
        ConfigError: It is not above 0 and up to 1.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f'fraction={fraction}: expected a share above 0 and up to 1.')


def choose_subset(
    strata: Mapping[str, str], fraction: float, limit: int | None, seed: int
) -> list[str]:
    """Return the samples of a part that are used.

    They are all, or a stratified subset of at least one.

    Args:
        strata: Stratum of each name (a class, or a set of classes).
        fraction: Share to use.
        limit: Number to use instead, or all where there are fewer; None for the share.
        seed: Seed of the draw.

    Returns:
        Their names, sorted.
    """
    wanted_count = round(len(strata) * fraction) if limit is None else limit
    if wanted_count >= len(strata):
        return sorted(strata)
    return stratified_subset(strata, max(wanted_count, 1), seed)


def draw_split(dataset: str, strata: Mapping[str, str], folder: Path, seed: int = 0) -> Split:
    """Draw train, val and test, 60/20/20 of every stratum.

    Args:
        dataset: First part of the name of the split.
        strata: Stratum of each sample.
        folder: Where the split will be written.
        seed: Seed of the draw.
    """
    share = [round(len(strata) * part / 100) for part in _SHARES]
    test = stratified_subset(strata, share[2], seed)
    rest = {name: stratum for name, stratum in strata.items() if name not in set(test)}
    val = stratified_subset(rest, min(share[1], len(rest)), seed + 1)
    train = sorted(set(rest) - set(val))
    name = f'{dataset}_{"-".join(map(str, _SHARES))}_seed{seed}'
    return Split(name, dict(train=tuple(train), val=tuple(val), test=tuple(test)), folder)


def read_names(path: str | Path, clean: Callable[[str], str] = str) -> list[str]:
    """Sample names of a list: one per line, or the first column of a CSV.

    Args:
        path: The file.
        clean: Brings a name into the form that the data set uses.

    Raises:
        LayoutError: The file is missing, empty, or holds a name twice.
    """
    file = Path(path)
    if not file.is_file():
        raise LayoutError(f'{file} does not exist. Expected a list of sample names, one per line.')
    with file.open(newline='', encoding='utf-8', errors='surrogateescape') as lines:
        names = [clean(row[0].strip()) for row in csv.reader(lines) if row and row[0].strip()]
    if not names:
        raise LayoutError(f'{file} is empty. Expected sample names, one per line.')
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise LayoutError(f'{file} names {twice!r} more than once. Expected every sample once.')
    return names


def _read_split(folder: Path, clean: Callable[[str], str]) -> Split:
    """A split as it lies in a folder; lists may have something before or behind ``train``."""
    parts: dict[str, tuple[str, ...]] = {}
    for part in PARTS:
        unknown_names = sorted(
            path
            for path in folder.iterdir()
            if path.suffix in ('.txt', '.csv')
            and part in path.stem.lower().replace('_', '-').split('-')
        )
        if len(unknown_names) > 1:
            raise LayoutError(
                f'{folder} has {len(unknown_names)} lists for {part}: '
                f'{", ".join(path.name for path in unknown_names)}. Keep one.'
            )
        if unknown_names:
            parts[part] = tuple(sorted(read_names(unknown_names[0], clean)))
    if not parts:
        files = sorted(path.name for path in folder.iterdir())
        raise LayoutError(
            f'{folder} has no train.txt, val.txt or test.txt (or .csv); found '
            f'{", ".join(files[:6]) or "an empty folder"}.'
        )
    for i, first in enumerate(parts):
        for second in list(parts)[i + 1 :]:
            both = sorted(set(parts[first]) & set(parts[second]))
            if both:
                raise LayoutError(
                    f'{folder}: {len(both)} samples are in {first} and in {second}, for example '
                    f'{both[0]!r}. Parts of a split must not overlap.'
                )
    return Split(folder.name, parts, folder)


def _write(split: Split, on_disk: OnDisk | None) -> None:
    """Write a drawn split, whole or not at all; another process may be doing the same."""
    record: dict[str, Any] = dict(
        name=split.name,
        sha256=split.sha256,
        counts={part: len(names) for part, names in split.parts.items()},
    )
    if on_disk is not None:
        record['drawn_from'] = dict(samples=len(on_disk.names), sha256=on_disk.sha256)
    try:
        with stage_folder(split.folder) as partial:
            for part, names in split.parts.items():
                # Names of files need not be text.
                (partial / f'{part}.txt').write_bytes(os.fsencode('\n'.join(names) + '\n'))
            (partial / _RECORD).write_text(json.dumps(record, indent=1) + '\n')
        print_log(f'Wrote the split {split.tag} to {split.folder}', logger='current')
    except OSError as error:
        # The draw is the same every time, so nothing is lost where the folder is read-only.
        if not split.folder.is_dir():
            print_log(
                f'Split {split.tag} is used but could not be written to {split.folder} ({error}); '
                'set split_dir to a folder that can be written to keep it.',
                logger='current',
                level=logging.WARNING,
            )


def _check(split: Split, counts: Mapping[str, int] | None, on_disk: OnDisk | None) -> None:
    record = split.folder / _RECORD
    if record.is_file():
        record_entries = json.loads(record.read_text())
        if record_entries.get('sha256') != split.sha256:
            raise LayoutError(
                f'{split.folder} was changed: its lists have the sha256 {split.sha256[:8]}..., '
                f'{_RECORD} says {str(record_entries.get("sha256"))[:8]}.... Delete the folder to '
                f'draw the split again, or delete {_RECORD} if the lists are meant to be yours.'
            )
        if on_disk is not None:
            on_disk.check(split.folder, record_entries, sum(map(len, split.parts.values())))
    for part, count in (counts or {}).items():
        if part in split.parts and len(split.parts[part]) != count:
            raise LayoutError(
                f'{split.folder}: {part} has {len(split.parts[part])} samples, expected {count}. '
                'Use the complete lists, or set split_counts in the config to what yours have.'
            )


def get_split(
    dataset: str,
    split_dir: str | Path | None,
    strata: Callable[[], Mapping[str, str]],
    default: Path,
    clean: Callable[[str], str] = str,
    counts: Mapping[str, int] | None = None,
    on_disk: OnDisk | None = None,
    seed: int = 0,
) -> Split:
    """Return the split: the user's lists, the one drawn before, or a new one.

    Args:
        dataset: First part of the name of a drawn split.
        split_dir: Folder with the user's lists; a folder that is empty or does not exist yet is
            where the drawn split goes; None is ``default``.
        strata: Gives the stratum of every sample on disk; called only to draw.
        default: Folder in which drawn splits lie.
        clean: Brings a name of a list into the form that the data set uses.
        counts: Number of samples that each part must have.
        on_disk: The samples that are there. A split is drawn with a warning where they are fewer
            than released, and a drawn one is refused where they are others now.
        seed: Seed of the draw.

    Raises:
        LayoutError: Lists that overlap, are incomplete, or were changed after they were drawn; or
            a drawn split whose samples are others now.
    """
    split_dir = None if split_dir is None else Path(split_dir).expanduser()
    # A name with a dot in front is of a split that another process is just writing.
    if split_dir is not None and split_dir.is_dir() and any(split_dir.glob('[!.]*.*')):
        split = _read_split(split_dir, clean)
        _check(split, counts, on_disk)
        return split
    parent = default if split_dir is None else split_dir
    folder = parent / f'{dataset}_{"-".join(map(str, _SHARES))}_seed{seed}'
    if folder.is_dir():
        split = _read_split(folder, clean)
    else:
        if on_disk is not None:
            on_disk.warn_of_parts()
        split = draw_split(dataset, strata(), folder, seed)
        _write(split, on_disk)
    _check(split, counts, on_disk)
    return split

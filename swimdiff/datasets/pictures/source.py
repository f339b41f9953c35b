"""A folder of pictures as a source of patches: cut when they are read, decoded once if possible."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from swimdiff.bands import RGB
from swimdiff.datasets.index import PatchIndex, PatchSource, Strings
from swimdiff.datasets.kept_arrays import KeptArrays
from swimdiff.datasets.pictures.parts import check_part, divide_pictures
from swimdiff.datasets.pictures.reading import (
    PICTURE_SUFFIXES,
    find_pictures,
    read_picture,
    read_picture_size,
)
from swimdiff.errors import (
    ConfigError,
    DataError,
    DatasetNotFoundError,
    LayoutError,
    RasterError,
)
from swimdiff.progress import track
from swimdiff.registry import SOURCES

__all__ = ['PictureSource', 'place_patches']

_ADVICE = (
    f'Expected pictures ({", ".join(PICTURE_SUFFIXES)}) in the folder or in folders below it, for '
    'example Class/name.jpg. Name the folder with data_root: --cfg-options '
    'train_dataloader.dataset.data_root=DIR'
)


def place_patches(length: int, patch: int, stride: int) -> list[int]:
    """Place patches along one side of a picture.

    Args:
        length: Side of the picture in pixels, at least ``patch``.
        patch: Side of a patch in pixels.
        stride: Distance between patches in pixels.

    Returns:
        First pixel of each patch. The last is moved inwards so that the end of the picture is used.
    """
    starts = list(range(0, length - patch + 1, stride))
    return starts if starts[-1] == length - patch else [*starts, length - patch]


class _Measured(NamedTuple):
    """Size of a picture and its time of modification, or why it is left out."""

    height: int
    width: int
    time: int
    error: str


@SOURCES.register_module()
class PictureSource(PatchSource):
    """Cut the pictures of a folder into patches when they are read.

    Args:
        data_root: The folder.
        patch: Side of a patch in pixels.
        stride: Distance between patches in pixels; ``patch`` by default.
        part: Part of the division by ``shares``; all pictures by default.
        shares: Share of each part, see :func:`divide_pictures`.
        split_seed: Seed of the division.
        keep: Bytes of decoded pictures that a process keeps in memory; 0 keeps none.

    Raises:
        DatasetNotFoundError: The folder is not there.
        LayoutError: No picture in it.
        ConfigError: Options that do not fit together.

    Examples:
        >>> source = dict(type='PictureSource', patch=96, stride=48)
    """

    bands = RGB
    dtype = 'uint8'

    def __init__(
        self,
        data_root: str,
        patch: int = 96,
        stride: int | None = None,
        part: str | None = None,
        shares: Mapping[str, float] | None = None,
        split_seed: int = 0,
        keep: int = 256 * 2**20,
    ) -> None:
        stride = patch if stride is None else stride
        if patch < 1 or stride < 1 or keep < 0:
            raise ConfigError(
                f'patch={patch}, stride={stride}, keep={keep}: expected pixels of at least 1 and '
                'bytes of at least 0.'
            )
        check_part(part, shares)
        self.root = Path(data_root).expanduser()
        self.patch, self.stride = patch, stride
        self.part, self.split_seed = part, split_seed
        self.shares = None if shares is None else dict(shares)
        if not self.root.is_dir():
            what = 'is a file, not a folder' if self.root.exists() else 'does not exist'
            raise DatasetNotFoundError(f'data_root {self.root.absolute()} {what}. {_ADVICE}.')
        if not any(pictures for _, pictures in find_pictures(self.root)):
            there = sorted(name for name in os.listdir(self.root) if name != '.swimdiff')[:5]
            raise LayoutError(
                f'data_root {self.root.absolute()} holds no picture; found '
                f'{", ".join(there) or "an empty folder"}. {_ADVICE}.'
            )
        # The patches of one picture come again and again, close together where a sampler draws
        # mates and once more in each epoch, and a patch of a JPEG cannot be decoded without the
        # rest: without this a picture of 16 patches is decoded 16 times as often as needed.
        self._kept = KeptArrays(keep)

    def key(self) -> dict[str, Any]:
        """Return the options that decide which patches there are."""
        part_options: dict[str, Any] = dict(part=self.part, shares=None, split_seed=None)
        if self.part is not None:
            part_options.update(shares=self.shares, split_seed=self.split_seed)
        options = dict(part_options, patch=self.patch, stride=self.stride)
        return dict(layout='PictureScenes', version=1, options=options)

    @classmethod
    def list_packed_options(cls, **options: Any) -> dict[str, Any]:
        """Return how pictures are cut and, of a part, how they are divided."""
        patch, stride, part = (options[name] for name in ('patch', 'stride', 'part'))
        packed_options: dict[str, Any] = dict(
            patch=patch, stride=patch if stride is None else stride, part=part
        )
        if part is not None:
            packed_options.update(
                shares=dict(options['shares'] or {}), split_seed=options['split_seed']
            )
        return packed_options

    def build(self) -> PatchIndex:
        """Index the patches of all pictures of the part.

        They are sorted by picture, row and column.

        Raises:
            LayoutError: The part is empty, or not one picture can be used.
        """
        stamp = os.stat(self.root).st_mtime_ns
        folder_pictures = list(find_pictures(self.root))
        folders = [folder for folder, _ in folder_pictures if folder]
        names = self._choose(
            [os.path.join(folder, n) for folder, own in folder_pictures for n in own]
        )
        with ThreadPoolExecutor(16) as pool:
            picture_sizes = pool.map(self._measure, names)
            sizes = list(track(picture_sizes, len(names), f'Indexing {self.root}'))
        times = [os.stat(self.root / folder).st_mtime_ns for folder in folders]
        return self._arrange(
            names,
            sizes,
            # Pictures too: one that is written over in place does not change its folder.
            watched=Strings.of(['', *folders, *names]),
            times=np.array([stamp, *times, *(size.time for size in sizes)], np.int64),
        )

    def _choose(self, names: list[str]) -> list[str]:
        """Pictures of the part, sorted."""
        if self.part is None:
            return sorted(names)
        chosen_names = divide_pictures(names, self.shares or {}, self.split_seed)[self.part]
        if not chosen_names:
            raise LayoutError(
                f'{self.root}: the part {self.part!r} of shares={self.shares} is empty; there are '
                f'{len(names)} pictures. Give it a larger share, or add pictures.'
            )
        return list(chosen_names)

    def _measure(self, name: str) -> _Measured:
        path = self.root / name
        time = -1  # of a link to nothing: it is looked for again at the next start
        with contextlib.suppress(FileNotFoundError):
            time = os.stat(path).st_mtime_ns
        try:
            height, width = read_picture_size(path)
        except DataError as error:
            return _Measured(0, 0, time, str(error))
        if min(height, width) < self.patch:
            return _Measured(
                0,
                0,
                time,
                f'{path} has {width} x {height} pixels. Expected at least {self.patch} x '
                f'{self.patch}, a patch. Lower patch, or leave small pictures out with '
                'max_unreadable.',
            )
        return _Measured(height, width, time, '')

    def _arrange(
        self, names: Sequence[str], sizes: Sequence[_Measured], **watching: Any
    ) -> PatchIndex:
        """Put the grids of all pictures into columns."""
        patches = [
            (name, top, left, size.height, size.width)
            for name, size in zip(names, sizes, strict=True)
            if not size.error
            for top in place_patches(size.height, self.patch, self.stride)
            for left in place_patches(size.width, self.patch, self.stride)
        ]
        table = np.array([patch[1:] for patch in patches], np.int32).reshape(-1, 4)
        columns = dict(zip(('top', 'left', 'height', 'width'), table.T.copy(), strict=True))
        return PatchIndex(
            locations=Strings.of(f'{name}/{y:05d}_{x:05d}' for name, y, x, _, _ in patches),
            paths=Strings.of(name for name, *_ in patches),
            first=np.arange(len(patches) + 1, dtype=np.int64),
            columns=columns,
            # The share that may be left out is one of pictures, not of patches.
            about=dict(
                left_out=[size.error for size in sizes if size.error],
                asked=len(sizes),
                asked_for='pictures',
            ),
            **watching,
        )

    def read(self, rows: Sequence[int], bands: Sequence[str]) -> list[list[np.ndarray]]:
        """Read planes of some rows, uint8, ``patch`` x ``patch``.

        Raises:
            LayoutError: A picture is missing.
            RasterError: It is damaged, or has another size than when it was indexed.
        """
        channels = [self.bands.index(band) for band in bands]
        columns, images = self.index.columns, []
        for row in rows:
            picture = self._picture(row)
            top, left = (int(columns[name][row]) for name in ('top', 'left'))
            # Copies: a caller that changes a patch must not change the picture that is kept.
            crop = picture[:, top : top + self.patch, left : left + self.patch]
            images.append([crop[channel].copy() for channel in channels])
        return images

    def _picture(self, row: int) -> np.ndarray:
        """3 x H x W uint8 of the whole picture of a row."""
        path = self.path(row)
        planes = self._kept.get(path)
        if planes is None:
            pixels = read_picture(path)
            size = tuple(int(self.index.columns[name][row]) for name in ('height', 'width'))
            if pixels.shape[:2] != size:
                raise RasterError(
                    f'{path} has {pixels.shape[1]} x {pixels.shape[0]} pixels, and had '
                    f'{size[1]} x {size[0]} when it was indexed. Start again: the index is made '
                    'again when a picture has changed.'
                )
            planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
            self._kept.put(path, planes)
        return planes

    def date(self, path: str) -> str:
        """Return '': nothing is known of the dates of pictures."""
        return ''

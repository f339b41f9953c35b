"""Any folder of pictures without georeference: each picture a scene, its patches the samples."""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from swimdiff.bands import RGB
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.datasets.index.patch_index import PatchIndex, Strings
from swimdiff.datasets.index.source import PatchSource
from swimdiff.datasets.packs.source import PackSource
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
from swimdiff.registry import DATASETS

__all__ = ['PictureScenes', 'PictureSource', 'place_patches']

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


class PictureSource(PatchSource):
    """A folder of pictures, cut into patches when they are read.

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
        self._kept = _KeptPictures(keep)

    def key(self) -> dict[str, Any]:
        """Return the options that decide which patches there are."""
        chosen: dict[str, Any] = dict(part=self.part, shares=None, split_seed=None)
        if self.part is not None:
            chosen.update(shares=self.shares, split_seed=self.split_seed)
        options = dict(chosen, patch=self.patch, stride=self.stride)
        return dict(layout='PictureScenes', version=1, options=options)

    def build(self) -> PatchIndex:
        """Index the patches of all pictures of the part, sorted by picture, row and column.

        Raises:
            LayoutError: The part is empty, or not one picture can be used.
        """
        stamp = os.stat(self.root).st_mtime_ns
        listed = list(find_pictures(self.root))
        folders = [folder for folder, _ in listed if folder]
        names = self._choose([os.path.join(folder, n) for folder, own in listed for n in own])
        with ThreadPoolExecutor(16) as pool:
            found = pool.map(self._measure, names)
            sizes = list(track(found, len(names), f'Indexing {self.root}'))
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
        chosen = divide_pictures(names, self.shares or {}, self.split_seed)[self.part]
        if not chosen:
            raise LayoutError(
                f'{self.root}: the part {self.part!r} of shares={self.shares} is empty; there are '
                f'{len(names)} pictures. Give it a larger share, or add pictures.'
            )
        return list(chosen)

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

    def read(
        self, index: PatchIndex, rows: Sequence[int], bands: Sequence[str]
    ) -> list[list[np.ndarray]]:
        """Read planes of some rows, uint8, ``patch`` x ``patch``.

        Raises:
            LayoutError: A picture is missing.
            RasterError: It is damaged, or has another size than when it was indexed.
        """
        channels = [self.bands.index(band) for band in bands]
        found = []
        for row in rows:
            picture = self._picture(index, row)
            top, left = (int(index.columns[name][row]) for name in ('top', 'left'))
            # Copies: whoever changes a patch must not change the picture that is kept.
            crop = picture[:, top : top + self.patch, left : left + self.patch]
            found.append([crop[channel].copy() for channel in channels])
        return found

    def _picture(self, index: PatchIndex, row: int) -> np.ndarray:
        """3 x H x W uint8 of the whole picture of a row."""
        path = self.path(index, row)
        planes = self._kept.get(path)
        if planes is None:
            pixels = read_picture(path)
            size = tuple(int(index.columns[name][row]) for name in ('height', 'width'))
            if pixels.shape[:2] != size:
                raise RasterError(
                    f'{path} has {pixels.shape[1]} x {pixels.shape[0]} pixels, and had '
                    f'{size[1]} x {size[0]} when it was indexed. Start again: the index is made '
                    'anew when a picture has changed.'
                )
            planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
            self._kept.put(path, planes)
        return planes

    def date(self, path: str) -> str:
        """Return '': nothing is known of the dates of pictures."""
        return ''


class _KeptPictures:
    """Decoded pictures of a process, the longest unused dropped first.

    The patches of one picture come again and again, close together where a sampler draws mates and
    once more in each epoch, and a patch of a JPEG cannot be decoded without the rest: without this
    a picture of 16 patches is decoded 16 times as often as needed.

    Args:
        room: Bytes.
    """

    def __init__(self, room: int) -> None:
        self.room, self.used = room, 0
        self._pictures: OrderedDict[str, np.ndarray] = OrderedDict()

    def __reduce__(self) -> Any:
        return _KeptPictures, (self.room,)  # a worker that is sent it fills its own

    def get(self, path: str) -> np.ndarray | None:
        """Return a picture, or None where it is not kept."""
        picture = self._pictures.get(path)
        if picture is not None:
            self._pictures.move_to_end(path)
        return picture

    def put(self, path: str, picture: np.ndarray) -> None:
        """Keep a picture, if there is room for it at all."""
        if picture.nbytes > self.room:
            return
        self._pictures[path] = picture
        self.used += picture.nbytes
        while self.used > self.room:
            self.used -= self._pictures.popitem(last=False)[1].nbytes


@DATASETS.register_module()
class PictureScenes(ScenePatches):
    """Patches of the pictures in a folder; each picture is a scene.

    For aerial photos and scene classification sets (RSSCN7, AID) without georeference: JPEG, PNG
    and TIFF of 8 bits, in folders of any depth. The pixels are not stretched, as they are 0..255
    already; statistics for the preprocessor are in the table ``pictures``.

    Args:
        data_root: The folder, or a pack made of it.
        patch: Side of a patch in pixels.
        stride: Distance between patches in pixels; ``patch`` by default. The last row and column
            are moved inwards, so that the whole picture is used.
        bands: Red, green and blue by the names of Sentinel-2's bands, in the order of the channels.
        part: Use one part of the division by ``shares`` only; all pictures by default.
        shares: Share of each part, with a sum of 1; see
            :func:`swimdiff.datasets.pictures.parts.divide_pictures`.
        split_seed: Seed of the division.
        keep: Bytes of decoded pictures that a process keeps in memory; 0 keeps none. Every worker
            of the loader has its own.
        **kwargs: Options of :class:`ScenePatches`. ``max_unreadable`` is also the share of
            pictures that may be left out as damaged or smaller than a patch.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: No picture in it, or one that is left out while none may be.
        BandError: A band beside red, green and blue.
        ConfigError: Options that do not fit together, or a pack made with others.
        RasterError: A picture that cannot be read.

    Examples:
        >>> train_dataloader = dict(
        ...     dataset=dict(
        ...         type='PictureScenes',
        ...         data_root='data/RSSCN7',
        ...         patch=96,
        ...         stride=32,
        ...         part='pretrain',
        ...         shares=dict(pretrain=0.5, train=0.3, val=0.05, test=0.15),
        ...     ),
        ... )
    """

    METAINFO = dict(dataset_type='PictureScenes', task_name='pre-training')

    def __init__(
        self,
        data_root: str,
        patch: int = 96,
        stride: int | None = None,
        bands: Sequence[str] = RGB,
        part: str | None = None,
        shares: Mapping[str, float] | None = None,
        split_seed: int = 0,
        keep: int = 256 * 2**20,
        **kwargs: Any,
    ) -> None:
        source = partial(PictureSource, data_root, patch, stride, part, shares, split_seed, keep)
        options = {
            'scene': dict(type='FileScene'),
            'stretch': False,
            'stats': 'pictures',
            **kwargs,
        }
        super().__init__(data_root, source, bands=bands, **options)
        if isinstance(self.source, PackSource):
            wanted = patch if stride is None else stride
            given: dict[str, Any] = dict(patch=patch, stride=wanted, part=part)
            if part is not None:
                given.update(shares=dict(shares or {}), split_seed=split_seed)
            self.source.check_options(given)

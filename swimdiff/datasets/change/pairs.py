"""Change sets of pictures in the common layout: a folder a date, a folder of labels, equal names.

By config alone: LEVIR-CD, WHU-CD, DSIFN, CDD, S2Looking and a user's own.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from swimdiff.bands import RGB
from swimdiff.datasets.change.images import image_size
from swimdiff.datasets.change.tiles import IGNORE, check_tiling, tile_windows
from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError, RasterError
from swimdiff.registry import DATASETS

__all__ = ['ChangePairs']

_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')
_PARTS = ('date1', 'date2', 'label')


def _stem(name: str) -> str:
    """A name without the suffix of a picture, if it has one."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in _SUFFIXES else name


@DATASETS.register_module()
class ChangePairs(BaseDataset):
    """Pairs of pictures and their masks, matched by file name (the suffix may differ).

    An item before the pipeline: the paths (``img_path``, two; ``seg_map_path``), ``image_id``,
    ``window``, ``full_shape``, ``pad_label``; ``LoadChangePair`` reads the pixels.

    Args:
        data_root: Root of the set.
        split: Name of the split, printed with every score, and a part of the path in ``layout``.
        folders: Names of the folders of ``date1``, ``date2`` and ``label``.
        layout: Path of a folder below the root, e.g. ``{split}/{part}`` or ``{part}``.
        list_file: Text file below the root with a name a line, where all splits share the folders;
            may contain ``{split}``.
        tile: Side of the tiles in pixels; None for whole pictures.
        stride: Distance of two tiles; None for tiles side by side.
        pad_label: Mask value of what lies over the edge; 255 leaves it out.
        masks: ``required``, or ``optional`` where there are no labels (pictures, no scores).
        pipeline: Transforms, beginning with ``LoadChangePair``.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: A folder, or one side of a pair, is missing; or the split is empty.
        RasterError: A file is no picture, or the sizes of a pair differ.
        ConfigError: A wrong option.
    """

    METAINFO = dict(
        dataset_type='ChangePairs',
        classes=('unchanged', 'changed'),
        palette=[[0, 0, 0], [255, 255, 255]],
    )
    #: Where the data is to be had, for the message when it is not there.
    SOURCE = ''

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        folders: Mapping[str, str] | None = None,
        layout: str = '{split}/{part}',
        list_file: str | None = None,
        tile: int | None = None,
        stride: int | None = None,
        pad_label: int = IGNORE,
        masks: str = 'required',
        pipeline: Sequence[Any] = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        self.folders = dict(folders or dict(date1='A', date2='B', label='label'))
        if set(self.folders) != set(_PARTS) or masks not in ('required', 'optional'):
            raise ConfigError(
                f'{type(self).__name__}: folders={self.folders}, masks={masks!r}: expected folders '
                "for date1, date2 and label, and masks='required' or 'optional'."
            )
        check_tiling(tile, stride, test_mode)
        self.split, self.layout, self.list_file = split, layout, list_file
        self.tile, self.stride, self.pad_label, self.masks = tile, stride, pad_label, masks
        super().__init__(
            data_root=str(Path(data_root).expanduser()),
            pipeline=list(pipeline),
            test_mode=test_mode,
            **kwargs,
        )
        # Not through `metainfo`: the engine takes a string there for a file to read.
        self._metainfo.update(split=split)

    def _tree(self) -> str:
        lines = [
            f'  {self.data_root}/{self.layout.format(split=self.split, part=self.folders[part])}/'
            '*.png'
            for part in _PARTS
        ]
        return '\n'.join([*lines, self.SOURCE]).rstrip()

    def _folder(self, part: str) -> Path:
        name = self.layout.format(split=self.split, part=self.folders[part])
        folder = Path(self.data_root) / name
        if folder.is_dir():
            return folder
        root = Path(self.data_root)
        if not root.is_dir():
            raise DatasetNotFoundError(
                f'{type(self).__name__}: no folder {root.absolute()}. Expected\n{self._tree()}\n'
                'Then set data_root, or link the folder there.'
            )
        near = next(path for path in folder.parents if path.is_dir())
        raise LayoutError(
            f'{type(self).__name__}: {folder} is missing; {near} holds '
            f'{sorted(path.name for path in near.iterdir())[:10]}. Expected\n{self._tree()}'
        )

    def _files(self, part: str) -> dict[str, str]:
        """Path by name without suffix."""
        folder = self._folder(part)
        found: dict[str, str] = {}
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith('.'))
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() not in _SUFFIXES:
                continue
            if stem in found:
                raise LayoutError(f'{folder / name} and {found[stem]}: expected one of the two.')
            found[stem] = str(folder / name)
        return found

    def _listed(self, names: Sequence[str]) -> list[str]:
        """Names of the split: those of the list file, or all."""
        if self.list_file is None:
            return sorted(names)
        path = Path(self.data_root) / self.list_file.format(split=self.split)
        if not path.is_file():
            raise LayoutError(f'{path} is missing. Expected the names of the split, one a line.')
        lines = [line.strip() for line in path.read_text().splitlines()]
        listed = [_stem(line) for line in lines if line]
        twice = next((name for name, count in Counter(listed).items() if count > 1), None)
        if twice is not None:
            raise LayoutError(
                f'{path} names {twice!r} more than once. Expected every pair once, one name a line.'
            )
        return listed

    def load_data_list(self) -> list[dict]:
        """Match the files, check the sizes from their headers, and lay out the tiles."""
        labelled = (
            self.masks == 'required'
            or (
                Path(self.data_root)
                / self.layout.format(split=self.split, part=self.folders['label'])
            ).is_dir()
        )
        parts = _PARTS if labelled else _PARTS[:2]
        files = {part: self._files(part) for part in parts}
        names = self._listed(sorted(set().union(*files.values())))
        if not names:
            raise LayoutError(
                f'{type(self).__name__}: the split {self.split!r} is empty: no picture in '
                f'{self._folder("date1")}. Expected\n{self._tree()}'
            )
        data_list: list[dict] = []
        for name in names:
            paths = self._match(name, files)
            shape = self._check_sizes(paths)
            pair = dict(
                image_id=name,
                img_path=paths[:2],
                seg_map_path=paths[2] if labelled else None,
                full_shape=shape,
                pad_label=self.pad_label,
            )
            data_list += [
                dict(pair, window=window) for window in tile_windows(shape, self.tile, self.stride)
            ]
        return data_list

    def _match(self, name: str, files: dict[str, dict[str, str]]) -> list[str]:
        missing = [part for part in files if name not in files[part]]
        if missing:
            there = [files[part][name] for part in files if name in files[part]]
            raise LayoutError(
                f'{type(self).__name__}: {self._folder(missing[0]) / name}.* is missing'
                f'{f", but {there[0]} is there" if there else ""}. Expected the same name in '
                f'{", ".join(str(self._folder(part)) for part in files)}. Unpack the archive '
                'again, or remove what is left of the pair.'
            )
        return [files[part][name] for part in files]

    def _check_sizes(self, paths: Sequence[str]) -> tuple[int, int]:
        shape = image_size(paths[0])
        for path in paths[1:]:
            other = image_size(path)
            if other != shape:
                raise RasterError(
                    f'{path} is {other[1]} x {other[0]} pixels. Expected {shape[1]} x {shape[0]}, '
                    f'the size of {paths[0]}. Both dates and the mask must cover the same pixels.'
                )
        return shape

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on the paths."""
        return self.pipeline(dict(self.get_data_info(idx), band_names=RGB, seg_fields=[]))

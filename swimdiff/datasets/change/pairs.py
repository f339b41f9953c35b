"""Change sets of pictures in the common layout: one folder per date, one of labels, equal names.

By config alone: LEVIR-CD, WHU-CD, DSIFN, CDD, S2Looking and a user's own.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from swimdiff.bands import RGB
from swimdiff.datasets.change.images import image_size
from swimdiff.datasets.change.mask_coding import MaskCoding, decide_coding
from swimdiff.datasets.change.mask_survey import survey_masks
from swimdiff.datasets.change.tiles import IGNORE, check_tiling, tile_windows
from swimdiff.datasets.cuts import CutAwareDataset
from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError, RasterError
from swimdiff.registry import DATASETS

__all__ = ['ChangePairs']

_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')
_PARTS = ('date1', 'date2', 'label')
#: Layouts that are recognised: a folder per split, or shared folders and a list per split.
_BY_SPLIT, _SHARED, _SHARED_LIST = '{split}/{part}', '{part}', 'list/{split}.txt'
#: Name of the split that is meant to be everything in the folders.
_EVERYTHING = 'all'


def _stem(name: str) -> str:
    """A name without the suffix of a picture, if it has one."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in _SUFFIXES else name


@DATASETS.register_module()
class ChangePairs(CutAwareDataset):
    """Pair pictures and their masks by file name; the suffix may differ.

    An item before the pipeline: the paths (``img_path``, two; ``seg_map_path``), ``image_id``,
    ``window``, ``full_shape``, ``pad_label``, ``mask_coding``; ``LoadChangePair`` reads the pixels.

    Args:
        data_root: Root of the set.
        split: Name of the split, printed with every score, and a part of the path in ``layout`` or
            ``list_file``. ``all`` is every pair in the folders.
        folders: Names of the folders of ``date1``, ``date2`` and ``label``.
        layout: Path of a folder below the root, e.g. ``{split}/{part}`` or ``{part}``. By default
            ``{split}/{part}``; ``{part}`` where the folders lie in the root itself beside
            ``list/{split}.txt``, as pre-cut copies of LEVIR-CD and WHU-CD are shared.
        list_file: Text file below the root with one name per line, where all splits share the
            folders; contains ``{split}`` or the name of the split.
        tile: Side of the tiles in pixels; None for whole pictures.
        stride: Distance of two tiles; None for tiles side by side.
        pad_label: Mask value of what lies over the edge; 255 leaves it out.
        masks: ``required``, or ``optional`` where there are no labels (pictures, no scores).
        mask_values: Grey values of ``unchanged``, ``changed`` and, if wanted, ``ignore`` (neither
            trained on nor scored). By default they are decided from all masks of the set: 0 and 1
            with 255 unlabelled, or 0 and 255; see
            :func:`swimdiff.datasets.change.mask_coding.decide_coding`.
        pipeline: Transforms, beginning with ``LoadChangePair``.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: A folder, or one side of a pair, is missing; or the split is empty.
        RasterError: A file is no picture, the sizes of a pair differ, or a mask is none.
        ConfigError: A wrong option, or every split would be the same pictures.

    Examples:
        >>> dataset = dict(
        ...     type='ChangePairs',
        ...     data_root='data/harbours',
        ...     split='train',
        ...     folders=dict(date1='before', date2='after', label='mask'),
        ...     mask_values=dict(unchanged=0, changed=1, ignore=255),
        ...     tile=256,
        ...     pipeline=[dict(type='LoadChangePair'), dict(type='mmseg.PackSegInputs')],
        ... )
    """

    METAINFO = dict(
        dataset_type='ChangePairs',
        classes=('unchanged', 'changed'),
        palette=[[0, 0, 0], [255, 255, 255]],
    )
    #: Where the data is to be had, for the message when it is not there.
    SOURCE = ''
    #: Variable of the environment that the configs of this project take data_root from.
    VARIABLE = 'CHANGE_PAIRS_ROOT'

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        folders: Mapping[str, str] | None = None,
        layout: str | None = None,
        list_file: str | None = None,
        tile: int | None = None,
        stride: int | None = None,
        pad_label: int = IGNORE,
        masks: str = 'required',
        mask_values: Mapping[str, Any] | None = None,
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
        root = Path(data_root).expanduser()
        self.split = split
        self.layout, self.list_file = self._settle_layout(root, layout, list_file)
        self.mask_coding = MaskCoding.from_config(mask_values) if mask_values else None
        self.tile, self.stride, self.pad_label, self.masks = tile, stride, pad_label, masks
        super().__init__(
            data_root=str(root),
            pipeline=list(pipeline),
            test_mode=test_mode,
            **kwargs,
        )

    def _settle_layout(
        self, root: Path, layout: str | None, list_file: str | None
    ) -> tuple[str, str | None]:
        """Return layout and list file: as given, or as the tree says.

        Raises:
            ConfigError: Neither depends on the split, so that all splits would be the same.
            LayoutError: The tree is of both layouts.
        """
        if layout is None and list_file is None:
            has_shared_folders = all((root / self.folders[part]).is_dir() for part in _PARTS[:2])
            has_list_folder = (root / 'list').is_dir()
            by_split = (root / self.split).is_dir()
            if has_shared_folders and has_list_folder and by_split and self.split != _EVERYTHING:
                raise LayoutError(
                    f'{type(self).__name__}: {root} holds a folder {self.split} and beside it '
                    f'{", ".join(self.folders.values())} with list. Say which is meant: '
                    f'layout={_BY_SPLIT!r}, or layout={_SHARED!r} and '
                    f'list_file={_SHARED_LIST!r}.'
                )
            if has_shared_folders and (has_list_folder or not by_split):
                layout = _SHARED
                list_file = _SHARED_LIST if self.split != _EVERYTHING else None
        layout = layout or (_BY_SPLIT if list_file is None else _SHARED)
        depends = '{split}' in layout or (
            list_file is not None and ('{split}' in list_file or self.split in list_file)
        )
        if not depends and self.split != _EVERYTHING:
            raise ConfigError(
                f'{type(self).__name__}: split={self.split!r}, layout={layout!r}, '
                f'list_file={list_file!r}: neither depends on the split, so train, val and test '
                f'would be the same pictures. Set list_file={_SHARED_LIST!r} to text files with '
                f'one name per line, or layout={_BY_SPLIT!r}; split={_EVERYTHING!r} where '
                'everything in the folders is meant.'
            )
        return layout, list_file

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
                'Then name the folder: data_root in the config'
                f'{self.VARIABLE and f", or {self.VARIABLE}=DIR in the environment"}.'
            )
        near = next(path for path in folder.parents if path.is_dir())
        raise LayoutError(
            f'{type(self).__name__}: {folder} is missing; {near} holds '
            f'{sorted(path.name for path in near.iterdir())[:10]}. Expected\n{self._tree()}'
        )

    def _files(self, part: str) -> dict[str, str]:
        """Path by name without suffix."""
        folder = self._folder(part)
        path_by_stem: dict[str, str] = {}
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith('.'))
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() not in _SUFFIXES:
                continue
            if stem in path_by_stem:
                raise LayoutError(
                    f'{folder / name} and {path_by_stem[stem]}: expected one of the two.'
                )
            path_by_stem[stem] = str(folder / name)
        return path_by_stem

    def _listed(self, names: Sequence[str]) -> list[str]:
        """Names of the split: those of the list file, or all."""
        if self.list_file is None:
            return sorted(names)
        path = Path(self.data_root) / self.list_file.format(split=self.split)
        if not path.is_file():
            there = sorted(item.name for item in path.parent.glob('*.txt'))
            raise LayoutError(
                f'{path} is missing{f"; there are {there[:10]}" if there else ""}. Expected the '
                'names of the split, one per line.'
            )
        lines = [line.strip() for line in path.read_text().splitlines()]
        listed_names = [_stem(line) for line in lines if line]
        twice = next((name for name, count in Counter(listed_names).items() if count > 1), None)
        if twice is not None:
            raise LayoutError(
                f'{path} names {twice!r} more than once. Expected every pair once, one name a line.'
            )
        return listed_names

    def load_data_list(self) -> list[dict]:
        """Match the files, check sizes and masks, and lay out the tiles."""
        # Not through the option `metainfo`: the engine takes a string there for a file to read.
        self._metainfo.update(split=self.split)
        has_labels = (
            self.masks == 'required'
            or (
                Path(self.data_root)
                / self.layout.format(split=self.split, part=self.folders['label'])
            ).is_dir()
        )
        parts = _PARTS if has_labels else _PARTS[:2]
        files = {part: self._files(part) for part in parts}
        names = self._listed(sorted(set().union(*files.values())))
        if not names:
            raise LayoutError(
                f'{type(self).__name__}: the split {self.split!r} is empty: no picture in '
                f'{self._folder("date1")}. Expected\n{self._tree()}'
            )
        paths_by_name = {name: self._match(name, files) for name in names}
        if has_labels and self.mask_coding is None:
            self.mask_coding = self._decide_coding([paths[2] for paths in paths_by_name.values()])
        data_list: list[dict] = []
        for name, paths in paths_by_name.items():
            shape = self._check_sizes(paths)
            pair = dict(
                image_id=name,
                img_path=paths[:2],
                seg_map_path=paths[2] if has_labels else None,
                full_shape=shape,
                pad_label=self.pad_label,
            )
            data_list += [
                dict(pair, window=window) for window in tile_windows(shape, self.tile, self.stride)
            ]
        return data_list

    def _decide_coding(self, masks: Sequence[str]) -> MaskCoding:
        """Decide from all masks of the set, those of the other splits too."""
        pattern = self.layout.format(split='*', part=self.folders['label'])
        others = {
            str(path)
            for folder in Path(self.data_root).glob(pattern)
            for path in folder.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith('.')
        }
        coding = decide_coding(
            survey_masks(masks), survey_masks(sorted(others - set(masks)), skip_unreadable=True)
        )
        print_log(
            f'{type(self).__name__} {self.split}: {len(masks)} masks, {coding}', logger='current'
        )
        return coding

    def _match(self, name: str, files: dict[str, dict[str, str]]) -> list[str]:
        missing_parts = [part for part in files if name not in files[part]]
        if missing_parts:
            there = [files[part][name] for part in files if name in files[part]]
            raise LayoutError(
                f'{type(self).__name__}: {self._folder(missing_parts[0]) / name}.* is missing'
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
        info = dict(self.get_data_info(idx), band_names=RGB, seg_fields=[])
        return self.pipeline(dict(info, mask_coding=self.mask_coding))

"""Any folder with one folder of pictures per class: RSSCN7, AID, UC Merced and the like."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swimdiff.bands import RGB, spell_bands
from swimdiff.datasets.classification.layout import find_below, folders
from swimdiff.datasets.classification.splits import Split, check_fraction, choose_subset, get_split
from swimdiff.datasets.cuts import CutAwareDataset, name_cut
from swimdiff.datasets.pictures import check_part, divide_pictures, find_pictures
from swimdiff.errors import BandError, ConfigError, LayoutError
from swimdiff.registry import DATASETS

__all__ = ['LabelledPictures']

EXPECTED_TREE = """\
Expected tree:
  {root}/
    FirstClass/any_name.jpg ...   (JPEG, PNG or TIFF of 8 bits)
    SecondClass/ ...
(labels='none' reads pictures without labels, in any folders.)
Name the folder of the class folders, or one above it, with data_root."""

_SHARES = dict(train=0.6, val=0.2, test=0.2)


def _is_root(path: Path) -> bool:
    """Whether two folders or more in this one hold pictures themselves."""
    own = (next(find_pictures(path / name), ('', []))[1] for name in folders(path))
    return sum(map(bool, own)) >= 2


def _is_any(path: Path) -> bool:
    """Whether there are pictures in this folder, at any depth."""
    return any(names for _, names in find_pictures(path))


@DATASETS.register_module()
class LabelledPictures(CutAwareDataset):
    """Serve pictures of one folder per class, divided as for pre-training.

    An item carries ``img_path``, ``band_names``, ``gt_label``; the pipeline reads the pixels. The
    classes are the folders that hold pictures, sorted by name. With the ``shares`` and the
    ``split_seed`` of :class:`PictureScenes` the parts are the same, whichever of the two folders
    ``data_root`` names: a network that was pre-trained on one part is probed on the others.

    Args:
        data_root: Folder with the class folders, or one above it.
        split: Part to use, one of ``shares`` (or of the lists in ``split_dir``).
        bands: Red, green and blue by the names of Sentinel-2's bands, in the order of the channels.
        shares: Share of each part, with a sum of 1; by default train 0.6, val 0.2, test 0.2. See
            :func:`swimdiff.datasets.pictures.parts.divide_pictures`.
        split_seed: Seed of the division.
        labels: ``required``, or ``none`` for pictures without labels in any folders: all of them,
            to predict (``tools/test.py --out``), without scores.
        classes: Names of the classes in the order of their numbers; by default the class folders,
            sorted. To be named with ``labels='none'``, and where a class has no picture here.
        split_dir: Folder with your own train.txt, val.txt and test.txt (``Class/name.jpg``),
            instead of ``shares``.
        fraction: Share of the part to use, 0 to 1, drawn without replacement, stratified by class.
        limit: Number of samples to use, drawn the same way, instead of ``fraction``.
        seed: Seed of the subset (the division has its own).
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree, or a list, is not as expected.
        BandError: A band beside red, green and blue.
        ConfigError: Options that do not fit together.

    Examples:
        >>> dataset = dict(
        ...     type='LabelledPictures',
        ...     data_root='data/RSSCN7',
        ...     split='train',
        ...     shares=dict(pretrain=0.5, train=0.3, val=0.05, test=0.15),
        ...     pipeline=[dict(type='LoadPicture'), dict(type='mmpretrain.PackInputs')],
        ... )
    """

    METAINFO = dict(dataset_type='LabelledPictures', task_name='classification')
    #: Bands of the files, in their order.
    file_bands: tuple[str, ...] = RGB

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        bands: Sequence[str] = RGB,
        shares: Mapping[str, float] | None = None,
        split_seed: int = 0,
        labels: str = 'required',
        classes: Sequence[str] | None = None,
        split_dir: str | None = None,
        fraction: float = 1.0,
        limit: int | None = None,
        seed: int = 0,
        pipeline: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        check_fraction(fraction)
        if shares is not None and split_dir is not None:
            raise ConfigError(
                f'shares={dict(shares)} and split_dir={split_dir!r} both say which pictures are in '
                'a part. Leave one of them out.'
            )
        if labels not in ('required', 'none'):
            raise ConfigError(f"labels={labels!r}: expected 'required' or 'none'.")
        self.bands = spell_bands(bands)
        absent = [band for band in self.bands if band not in self.file_bands]
        if absent:
            raise BandError(
                f'The files of {type(self).__name__} have the bands {", ".join(self.file_bands)}; '
                f'asked for {", ".join(absent)}. Name bands that they have.'
            )
        self.labelled = labels == 'required'
        self.classes = tuple(classes) if classes is not None else None
        self.part, self.fraction, self.limit, self.seed = split, fraction, limit, seed
        self.root = find_below(data_root, _is_root if self.labelled else _is_any, EXPECTED_TREE)
        self.files = self._list_files()
        self.split = self._divide(shares, split_seed, split_dir)
        super().__init__(data_root=str(data_root), pipeline=list(pipeline), **kwargs)

    def _list_files(self) -> list[str]:
        """Paths of the pictures below the root, sorted; those in no class folder do not count."""
        return sorted(
            os.path.join(folder, name)
            for folder, names in find_pictures(self.root)
            if folder or not self.labelled
            for name in names
        )

    def _strata(self) -> dict[str, str]:
        """Class of every picture: the first folder below the root."""
        return {name: name.split(os.sep, 1)[0] for name in self.files}

    def _divide(
        self, shares: Mapping[str, float] | None, seed: int, split_dir: str | None
    ) -> Split:
        if not self.labelled:
            return Split('unlabelled', {self.part: tuple(self.files)}, self.root)
        if split_dir is not None:
            return get_split('pictures', split_dir, self._strata, Path(split_dir))
        shares = shares or _SHARES
        check_part(self.part, shares)
        parts = divide_pictures(self.files, shares, seed)
        text = '-'.join(f'{part}{100 * shares[part]:g}' for part in parts)
        return Split(f'pictures_{text}_seed{seed}', parts, self.root)

    def load_data_list(self) -> list[dict]:
        """Index one part, sorted by name.

        Raises:
            LayoutError: The part is empty, or a list names pictures that are not there.
        """
        names = self.split.names(self.part)
        strata = self._strata()
        absent = [name for name in names if name not in strata]
        if absent or not names:
            what = f'of which {len(absent)} are not in {self.root}' if absent else 'no picture'
            example = f', for example {absent[0]}' if absent else ''
            raise LayoutError(
                f'{self.split.tag}: the part {self.part!r} has {len(names)} pictures, {what}'
                f'{example}. Expected pictures as Class/name.jpg. Correct shares or the lists, or '
                'copy the pictures again.'
            )
        own = {name: strata[name] for name in names}
        chosen_names = choose_subset(own, self.fraction, self.limit, self.seed)
        classes = self._name_classes(strata)
        cut_name = name_cut(self.part, len(chosen_names), len(names))
        self._metainfo.update(
            classes=classes, split=f'{self.split.tag}/{cut_name}', samples=len(chosen_names)
        )
        number = {label: i for i, label in enumerate(classes)}
        return [
            dict(
                img_path=os.path.join(self.root, name),
                band_names=self.bands,
                **(dict(gt_label=number[strata[name]]) if self.labelled else {}),
            )
            for name in chosen_names
        ]

    def _name_classes(self, strata: Mapping[str, str]) -> tuple[str, ...]:
        """Return the classes in the order of their numbers.

        Raises:
            ConfigError: A folder is none of the classes named in the config.
        """
        class_names = sorted(set(strata.values())) if self.labelled else []
        if self.classes is None:
            return tuple(class_names)
        unknown_classes = [label for label in class_names if label not in self.classes]
        if unknown_classes:
            raise ConfigError(
                f'classes={list(self.classes)}, but {self.root} has the folders '
                f'{", ".join(unknown_classes)} too. Name every class, or move the folders away.'
            )
        return self.classes

"""BigEarthNet v1, Sentinel-2 (Sumbul et al., 2019): 590,326 patches with several labels each."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from swimdiff.bands import RGB
from swimdiff.datasets.classification.bigearthnet_patches import (
    PRODUCT,
    choose_bands,
    describe_patch,
    refuse_absent,
)
from swimdiff.datasets.classification.corine import CLASSES_19, CLASSES_43, to_19
from swimdiff.datasets.classification.label_index import label_index
from swimdiff.datasets.classification.layout import find_below, folders
from swimdiff.datasets.classification.splits import (
    OnDisk,
    check_fraction,
    choose_subset,
    get_split,
    read_names,
)
from swimdiff.datasets.cuts import CutAwareDataset, name_cut
from swimdiff.errors import ConfigError, LayoutError
from swimdiff.registry import DATASETS

__all__ = ['EXPECTED_TREE', 'OFFICIAL_COUNTS', 'BigEarthNet']

EXPECTED_TREE = """\
Expected tree:
  {root}/
    S2A_MSIL2A_20170613T101031_0_45/
      S2A_MSIL2A_20170613T101031_0_45_B01.tif ... _B12.tif, _B8A.tif   (12 files)
      S2A_MSIL2A_20170613T101031_0_45_labels_metadata.json
    ... (one folder per patch)
    patches_with_seasonal_snow.csv  patches_with_cloud_and_shadow.csv   (or beside {root})
BigEarthNet-S2 v1.0 (66 GB) is at https://zenodo.org/records/12687186; the two lists are at
https://bigearth.net, whose download today is v2, another data set; the split
lists (train.csv, val.csv, test.csv) are in the folder splits of
https://git.tu-berlin.de/rsim/BigEarthNet-S2_19-classes_models
Name the folder: BIGEARTHNET_ROOT=DIR in the environment, data_root in the config, or
--data-root DIR with tools/probe.py."""

#: Patches in the published lists for the 19 classes.
OFFICIAL_COUNTS = dict(train=269_695, val=123_723, test=125_866)
#: Official lists of patches that are covered and left out.
COVERED = ('patches_with_seasonal_snow.csv', 'patches_with_cloud_and_shadow.csv')

#: Patches in the released archive.
_PUBLISHED = 590_326
_PATCH = re.compile(r'S2[AB]_MSIL2A_\d+T\d+_\d+_\d+')
#: Folders of v2: a product, and patches of it one level below.
_VERSION_2 = re.compile(rf'{PRODUCT.pattern}(_\d+_\d+)?')


def _is_root(path: Path) -> bool:
    with os.scandir(path) as entries:
        return any(_PATCH.fullmatch(entry.name) and entry.is_dir() for entry in entries)


def _refuse_version_2(data_root: str) -> None:
    """Say that a folder holds BigEarthNet v2, which is another data set under the same name.

    Raises:
        LayoutError: It does.
    """
    root = Path(data_root).expanduser()
    for folder in (root, *(root / name for name in folders(root)[:20])):
        names = [*folders(folder)[:20], *(path.name for path in folder.glob('metadata*.parquet'))]
        sign = next((n for n in names if _VERSION_2.fullmatch(n) or n.endswith('.parquet')), None)
        if sign is not None:
            raise LayoutError(
                f'{folder / sign} belongs to BigEarthNet v2 (reBEN: one folder per product with '
                'its patches below, labels in metadata.parquet). Expected v1, one folder per patch '
                'with its labels in a JSON file: the patches, labels and splits of the two are '
                'not the same and scores do not compare. Read v2 with '
                "type='BigEarthNetV2' (configs/classification/bigearthnet/"
                'linear_r18_bigearthnet-v2-rgb.py), or get v1 at '
                'https://zenodo.org/records/12687186 and name its folder with data_root.'
            )


@DATASETS.register_module()
class BigEarthNet(CutAwareDataset):
    """Serve BigEarthNet v1 S2 in its released layout, 12 band files per patch.

    v2 (reBEN), the version on the site today, is recognised and refused: it is another data set,
    which ``BigEarthNetV2`` reads.

    An item carries ``patch_dir``, ``band_names`` and ``gt_label`` (a list of class indices).

    Args:
        data_root: Folder with the patch folders, or one above it.
        split: ``train``, ``val`` or ``test``.
        bands: Bands by name, in the order of the channels.
        num_classes: 19 or 43. With 19, patches that have none of them are left out.
        split_dir: Folder with train.csv, val.csv and test.csv (or .txt), one patch per line. By
            default a 60/20/20 split is drawn once and written to ``data_root/splits``, or to this
            folder if it does not exist or is empty.
        split_counts: Samples that each part of your lists must have; ``'official'`` means the
            published numbers, which belong to the published lists.
        covered: Lists of patches under snow or cloud, which are left out; by default the two
            official ones where they lie in ``data_root`` or beside it; with
            ``split_counts='official'`` they must be there. An empty tuple leaves nothing out.
        fraction: Share of the part to use, 0 to 1, drawn without replacement, stratified by the
            set of labels.
        limit: Number of samples to use, drawn the same way, instead of ``fraction``.
        seed: Seed of the subset.
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree, a list, or a label file is not as expected, or the official lists of
            covered patches are missing.
        BandError: A band that level-2A products do not have.

    Examples:
        >>> dataset = dict(
        ...     type='BigEarthNet',
        ...     data_root='data/bigearthnet',
        ...     split='val',
        ...     fraction=0.1,
        ...     pipeline=[dict(type='LoadBigEarthNet'), dict(type='mmpretrain.PackInputs')],
        ... )
    """

    METAINFO = dict(dataset_type='BigEarthNet', task_name='multi-label classification')

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        bands: Sequence[str] = RGB,
        num_classes: int = 19,
        split_dir: str | None = None,
        split_counts: Mapping[str, int] | str | None = None,
        covered: Sequence[str] | None = None,
        fraction: float = 1.0,
        limit: int | None = None,
        seed: int = 0,
        pipeline: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        check_fraction(fraction)
        if num_classes not in (19, 43):
            raise ConfigError(f'num_classes={num_classes}: BigEarthNet v1 has 19 or 43.')
        if isinstance(split_counts, str) and split_counts != 'official':
            raise ConfigError(f"split_counts={split_counts!r}: expected numbers or 'official'.")
        self.bands = choose_bands(bands)
        self.num_classes = num_classes
        self.part, self.fraction, self.limit, self.seed = split, fraction, limit, seed
        self.split_dir = split_dir
        self.split_counts = OFFICIAL_COUNTS if isinstance(split_counts, str) else split_counts
        try:
            self.root = find_below(data_root, _is_root, EXPECTED_TREE)
        except LayoutError:
            _refuse_version_2(data_root)
            raise
        self.covered = self._covered_lists(covered, required=isinstance(split_counts, str))
        classes = CLASSES_19 if num_classes == 19 else CLASSES_43
        kwargs.setdefault('metainfo', dict(classes=classes))
        super().__init__(
            data_root=str(Path(data_root).expanduser()), pipeline=list(pipeline), **kwargs
        )

    def _covered_lists(self, given: Sequence[str] | None, required: bool) -> list[Path]:
        if given is not None:
            return [
                path if path.is_absolute() or path.is_file() else self.root / path
                for path in (Path(name).expanduser() for name in given)
            ]
        places = (self.root, self.root.parent)
        lists = {
            name: next((place / name for place in places if (place / name).is_file()), None)
            for name in COVERED
        }
        absent = [name for name, path in lists.items() if path is None]
        if required and absent:
            raise LayoutError(
                f'{self.root}: {" and ".join(absent)} missing, there and in {self.root.parent}. '
                "split_counts='official' goes with the official lists of patches under snow or "
                'cloud; get them at https://bigearth.net, or set covered=() to leave nothing out.'
            )
        return [path for path in lists.values() if path is not None]

    def _labels(self, patches: Sequence[str], cache: Path) -> dict[str, list[int]]:
        labels = label_index(self.root, patches, cache)
        if self.num_classes == 43:
            return labels
        new_labels = {patch: to_19(old) for patch, old in labels.items()}
        return {patch: new for patch, new in new_labels.items() if new}

    def load_data_list(self) -> list[dict]:
        """Index one part of the split, sorted by name."""
        covered_names = {name for path in self.covered for name in read_names(path)}
        default = Path(self.data_root).expanduser() / 'splits'
        lists_folder = Path(self.split_dir).expanduser() if self.split_dir else default
        # In a folder of its own: files beside the lists would pass for lists of the user.
        cache = lists_folder / 'labels' / 'bigearthnet_labels.tsv'

        on_disk = {name for name in folders(self.root) if _PATCH.fullmatch(name)}

        def strata() -> dict[str, str]:
            clear = sorted(on_disk - covered_names)
            return {
                name: str(labels_of_patch)
                for name, labels_of_patch in self._labels(clear, cache).items()
            }

        split = get_split(
            f'bigearthnet{self.num_classes}',
            self.split_dir,
            strata,
            default,
            counts=self.split_counts,
            on_disk=OnDisk(
                self.root, on_disk, _PUBLISHED, 'patches', 'BigEarthNet v1', all_used=False
            ),
        )
        listed_names = split.names(self.part)
        names = [name for name in listed_names if name not in covered_names]
        present = [name for name in names if name in on_disk]
        advice = ', or use lists that belong to these files'
        refuse_absent(names, present, f'{split.folder} ({self.part})', self.root, advice)
        labels = self._labels(names, cache)
        unlabelled_count = len(names) - len(labels)
        sets = {name: str(labels_of_patch) for name, labels_of_patch in labels.items()}
        chosen_names = choose_subset(sets, self.fraction, self.limit, self.seed)
        lists = ', '.join(path.name for path in self.covered) or 'no snow or cloud list found'
        print_log(
            f'BigEarthNet {split.tag}/{self.part}: {len(chosen_names)} of {len(listed_names)} '
            f'patches; left out {len(listed_names) - len(names)} covered ({lists}), '
            f'{unlabelled_count} without any of the {self.num_classes} classes',
            'current',
        )
        cut_name = name_cut(self.part, len(chosen_names), len(labels))
        self._metainfo.update(split=f'{split.tag}/{cut_name}', samples=len(chosen_names))
        return [describe_patch(self.root / name, self.bands, labels[name]) for name in chosen_names]

"""BigEarthNet v2, Sentinel-2 (reBEN, Clasen et al., 2025): 549,488 patches, labels in one table."""

from collections.abc import Sequence
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
from swimdiff.datasets.classification.corine import CLASSES_19
from swimdiff.datasets.classification.layout import find_below, folders
from swimdiff.datasets.classification.parquet_labels import read_rows
from swimdiff.datasets.classification.splits import (
    PARTS,
    Split,
    check_fraction,
    choose_subset,
)
from swimdiff.datasets.cuts import CutAwareDataset, name_cut
from swimdiff.errors import ConfigError, LayoutError
from swimdiff.registry import DATASETS

__all__ = ['BigEarthNetV2']

_TREE = """\
Expected tree:
  {root}/
    metadata.parquet
    BigEarthNet-S2/
      S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP/
        S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57/
          S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57_B01.tif ... _B12.tif, _B8A.tif
        ... (one folder per patch)
      ... (one folder per product)
BigEarthNet v2 is at https://zenodo.org/records/10891137: BigEarthNet-S2.tar.zst and
metadata.parquet. Name the folder: BIGEARTHNET_V2_ROOT=DIR in the environment, data_root in the
config."""

#: Splits in the table by the word of this toolkit.
_WORDS = {'train': 'train', 'validation': 'val', 'val': 'val', 'test': 'test'}


def _products(path: Path) -> list[str]:
    return [name for name in folders(path) if PRODUCT.fullmatch(name)]


def _is_root(path: Path) -> bool:
    """Recognise the folder of the products; that of the reference maps has the same names in it."""
    for product in _products(path)[:1]:
        for patch in folders(path / product)[:1]:
            return any((path / product / patch).glob(f'{patch}_B*.tif'))
    return False


@DATASETS.register_module()
class BigEarthNetV2(CutAwareDataset):
    """Serve BigEarthNet v2 S2 in its released layout.

    It has 12 band files per patch and 19 classes.

    Labels and splits are those of ``metadata.parquet``. Patches, labels and splits of v1 (type
    ``BigEarthNet``) are others: scores of the two do not compare, and carry the version in the
    name of the split.

    An item carries ``patch_dir``, ``band_names`` and ``gt_label`` (a list of class indices).

    Args:
        data_root: Folder with ``BigEarthNet-S2`` and the table, or the one of the products.
        split: ``train``, ``val`` or ``test``.
        bands: Bands by name, in the order of the channels.
        metadata: The table; by default ``metadata.parquet`` in or beside the folder of the
            products. It lists no patch under snow, cloud or shadow; where another one marks such
            patches, they are left out.
        incomplete: Use what is there where patches of the table are not on disk. The scores of
            such a part carry the numbers of samples in their name.
        fraction: Share of the part to use, 0 to 1, drawn without replacement, stratified by the
            set of labels.
        limit: Number of samples to use, drawn the same way, instead of ``fraction``.
        seed: Seed of the subset.
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree or the table is not as expected, or patches are missing.
        BandError: A band that level-2A products do not have.
        ConfigError: pyarrow is not installed, or an option is wrong.

    Examples:
        >>> dataset = dict(
        ...     type='BigEarthNetV2',
        ...     data_root='data/BigEarthNet-v2.0',
        ...     split='train',
        ...     pipeline=[dict(type='LoadBigEarthNet'), dict(type='mmpretrain.PackInputs')],
        ... )
    """

    METAINFO = dict(
        dataset_type='BigEarthNetV2', task_name='multi-label classification', classes=CLASSES_19
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        bands: Sequence[str] = RGB,
        metadata: str | None = None,
        incomplete: bool = False,
        fraction: float = 1.0,
        limit: int | None = None,
        seed: int = 0,
        pipeline: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        check_fraction(fraction)
        if split not in PARTS:
            raise ConfigError(f'split={split!r}: expected one of {", ".join(PARTS)}.')
        self.bands = choose_bands(bands)
        self.part, self.incomplete = split, incomplete
        self.fraction, self.limit, self.seed = fraction, limit, seed
        self.root = find_below(data_root, _is_root, _TREE)
        self.table = self._find_table(Path(data_root).expanduser(), metadata)
        super().__init__(
            data_root=str(Path(data_root).expanduser()), pipeline=list(pipeline), **kwargs
        )

    def _find_table(self, data_root: Path, given: str | None) -> Path:
        places = list(dict.fromkeys((data_root, self.root, self.root.parent)))
        if given is not None:
            path = Path(given).expanduser()
            candidates = [path, *(place / path for place in places)]
        else:
            candidates = [place / 'metadata.parquet' for place in places]
        table = next((path for path in candidates if path.is_file()), None)
        if table is None:
            raise LayoutError(
                f'{candidates[-1]} is missing, and so it is in {data_root}. Expected the table of '
                'labels and splits, metadata.parquet of https://zenodo.org/records/10891137; put '
                'it there, or name it with metadata=PATH.'
            )
        return table

    def load_data_list(self) -> list[dict]:
        """Take one part of the table, sorted by name."""
        rows = read_rows(self.table)
        parts: dict[str, list[str]] = {part: [] for part in PARTS}
        for name, row in rows.items():
            if row.split not in _WORDS:
                raise LayoutError(
                    f'{self.table}: {name} is of the split {row.split!r}. Expected one of '
                    f'{", ".join(_WORDS)}. Use the table as released.'
                )
            if not row.covered:
                parts[_WORDS[row.split]].append(name)
        split = Split(
            'bigearthnet-v2', {part: tuple(sorted(parts[part])) for part in PARTS}, self.table
        )
        listed_names = split.names(self.part)
        sets = {name: str(rows[name].labels) for name in self._present(listed_names)}
        chosen_names = choose_subset(sets, self.fraction, self.limit, self.seed)
        print_log(
            f'BigEarthNet v2 {split.tag}/{self.part}: {len(chosen_names)} of {len(listed_names)} '
            f'patches; {sum(row.covered for row in rows.values())} of all {len(rows)} left out as '
            'covered',
            'current',
        )
        cut_name = name_cut(self.part, len(chosen_names), len(listed_names))
        self._metainfo.update(split=f'{split.tag}/{cut_name}', samples=len(chosen_names))
        return [
            describe_patch(self.root / _product_of(name) / name, self.bands, rows[name].labels)
            for name in chosen_names
        ]

    def _present(self, names: Sequence[str]) -> Sequence[str]:
        """Return the names of the patches that have a folder: all, unless parts are allowed.

        Raises:
            LayoutError: Patches of the part are missing, or all of them are.
        """
        products = {_product_of(name) for name in names} & set(_products(self.root))
        there = {patch for product in products for patch in folders(self.root / product)}
        present = [name for name in names if name in there]
        if not (self.incomplete and present):
            advice = ''
            if present:
                advice = ', or set incomplete=True to use what is there'
            refuse_absent(names, present, f'{self.table} ({self.part})', self.root, advice)
        return present


def _product_of(patch: str) -> str:
    """Return the product of a patch: its name without row and column."""
    return patch.rsplit('_', 2)[0]

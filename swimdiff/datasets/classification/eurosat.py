"""EuroSAT (Helber et al., 2019): 27,000 Sentinel-2 images of 64 x 64 pixels in ten classes."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swimdiff.bands import RGB, canonical_bands
from swimdiff.datasets.classification.layout import find_below, folders
from swimdiff.datasets.classification.splits import (
    OnDisk,
    Split,
    check_fraction,
    choose_subset,
    get_split,
)
from swimdiff.datasets.cuts import CutAwareDataset, name_cut
from swimdiff.datasets.pictures import read_header
from swimdiff.errors import BandError, LayoutError
from swimdiff.registry import DATASETS

__all__ = ['EUROSAT_BANDS', 'EUROSAT_CLASSES', 'EXPECTED_TREE', 'EuroSAT']

EUROSAT_CLASSES = (
    'AnnualCrop',
    'Forest',
    'HerbaceousVegetation',
    'Highway',
    'Industrial',
    'Pasture',
    'PermanentCrop',
    'Residential',
    'River',
    'SeaLake',
)
#: Order in the 13-band files: B8A comes *last*, not after B08.
EUROSAT_BANDS = (
    'B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B09', 'B10', 'B11', 'B12', 'B8A',
)  # fmt: skip

EXPECTED_TREE = """\
Expected tree:
  {root}/2750/
    AnnualCrop/AnnualCrop_1.jpg ...     (RGB; .tif in the 13-band version)
    Forest/ HerbaceousVegetation/ Highway/ Industrial/ Pasture/ PermanentCrop/ Residential/
    River/ SeaLake/
    (EuroSATallBands.zip unpacks to {root}/ds/images/remote_sensing/.../tif: name {root}.)
EuroSAT is at https://zenodo.org/records/7711810: EuroSAT_RGB.zip 95 MB, EuroSAT_MS.zip 2.1 GB.
Unpack one and name the folder: EUROSAT_ROOT=DIR (13 bands: EUROSAT_MS_ROOT=DIR) in the
environment, data_root in the config, or --data-root DIR with tools/probe.py."""

#: Images in the released archives, and their side in pixels.
_PUBLISHED, SIDE = 27_000, 64
_SUFFIXES = {'.jpg': 'RGB', '.tif': '13-band'}


def _clean(name: str) -> str:
    """``Forest/Forest_1.jpg`` and ``Forest_1.tif`` are both the sample ``Forest_1``."""
    return os.path.splitext(os.path.basename(name.replace('\\', '/')))[0]


def _is_root(path: Path) -> bool:
    return len(set(folders(path)) & set(EUROSAT_CLASSES)) >= 2


@DATASETS.register_module()
class EuroSAT(CutAwareDataset):
    """Serve EuroSAT in its released layout, RGB or 13 bands; the files say which.

    An item carries ``img_path``, ``band_names``, ``gt_label``; the pipeline reads the pixels.

    Args:
        data_root: Folder with the ten class folders, or one above it (``2750`` and the like).
        split: ``train``, ``val`` or ``test``.
        bands: Bands by name, in the order of the channels. The RGB version has the three of RGB.
        split_dir: Folder with your own train.txt, val.txt, test.txt (names as ``Forest_1.jpg``).
            By default a 60/20/20 split, stratified by class, is drawn once and written to
            ``data_root/splits``, or to this folder if it does not exist or is empty.
        split_counts: Samples that each part of your lists must have, checked where given.
        fraction: Share of the part to use, 0 to 1, drawn without replacement, stratified by class.
        limit: Number of samples to use, drawn the same way, instead of ``fraction``.
        seed: Seed of the subset (the split has its own, 0).
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree, or a split, is not as expected.
        BandError: A band that the files do not have.

    Examples:
        >>> dataset = dict(
        ...     type='EuroSAT',
        ...     data_root='data/eurosat',
        ...     bands=('B04', 'B03', 'B02'),
        ...     pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
        ... )
    """

    METAINFO = dict(dataset_type='EuroSAT', task_name='classification', classes=EUROSAT_CLASSES)

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        bands: Sequence[str] = RGB,
        split_dir: str | None = None,
        split_counts: Mapping[str, int] | None = None,
        fraction: float = 1.0,
        limit: int | None = None,
        seed: int = 0,
        pipeline: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        check_fraction(fraction)
        self.bands = canonical_bands(bands)
        self.part, self.fraction, self.limit, self.seed = split, fraction, limit, seed
        self.root = find_below(data_root, _is_root, EXPECTED_TREE)
        self.files = self._list_files()
        default = Path(data_root).expanduser() / 'splits'
        self.split: Split = get_split(
            'eurosat',
            split_dir,
            self._strata,
            default,
            _clean,
            split_counts,
            OnDisk(self.root, self.files.keys(), _PUBLISHED, 'images', 'EuroSAT'),
        )
        super().__init__(
            data_root=str(Path(data_root).expanduser()), pipeline=list(pipeline), **kwargs
        )

    def _list_files(self) -> dict[str, str]:
        """Path of every sample below the root, checked to be of one kind and of known classes."""
        folder_names = folders(self.root)
        strange = [
            name for name in folder_names if name not in EUROSAT_CLASSES and name != 'splits'
        ]
        absent = [name for name in EUROSAT_CLASSES if name not in folder_names]
        if strange or absent:
            both = [f'not of EuroSAT: {", ".join(strange)}'] if strange else []
            both += [f'missing: {", ".join(absent)}'] if absent else []
            raise LayoutError(
                f'{self.root} does not hold the ten class folders of EuroSAT; {"; ".join(both)}. '
                f'Expected {", ".join(EUROSAT_CLASSES)}. Unpack the archive again, and move other '
                'folders away.'
            )
        files: dict[str, str] = {}
        kinds: Counter[str] = Counter()
        for label in EUROSAT_CLASSES:
            names = sorted(os.listdir(self.root / label))
            images = [name for name in names if os.path.splitext(name)[1].lower() in _SUFFIXES]
            if not images:
                raise LayoutError(
                    f'{self.root / label} holds no image. Expected {label}_1.jpg ... or '
                    f'{label}_1.tif ...; unpack the archive again.'
                )
            kinds.update(os.path.splitext(name)[1].lower() for name in images)
            twice = next((name for name in images if _clean(name) in files), None)
            if twice is not None:
                raise LayoutError(
                    f'{self.root / label / twice} and {self.root / files[_clean(twice)]} have one '
                    'name. Expected every image in the folder of its class only.'
                )
            files.update({_clean(name): os.path.join(label, name) for name in images})
        if len(kinds) > 1:
            counts = ', '.join(f'{count} {kind}' for kind, count in kinds.items())
            raise LayoutError(
                f'{self.root} mixes the versions of EuroSAT ({counts}). Keep them in two folders.'
            )
        self._check_bands(next(iter(kinds)))
        self._check_sizes(files)
        return files

    def _check_sizes(self, files: dict[str, str]) -> None:
        """Look at the first image of each class; the pipeline looks at every one it reads."""
        first = {os.path.dirname(path): path for path in reversed(files.values())}
        for path in first.values():
            header = read_header(self.root / path)
            if header is not None and (header.height, header.width) != (SIDE, SIDE):
                raise LayoutError(
                    f'{self.root / path} is {header.width} x {header.height} pixels. Expected '
                    f'{SIDE} x {SIDE}, as all images of EuroSAT are. Use the files as released; '
                    "tiles of your own are read by type='LabelledPictures' or "
                    "'LabelledRasters'."
                )

    def _check_bands(self, kind: str) -> None:
        have = RGB if kind == '.jpg' else EUROSAT_BANDS
        absent = [band for band in self.bands if band not in have]
        if absent:
            raise BandError(
                f'{self.root} is the {_SUFFIXES[kind]} version of EuroSAT, which has '
                f'{", ".join(have)}; asked for {", ".join(absent)}.'
                + (' Use EuroSAT_MS for other bands.' if kind == '.jpg' else '')
            )

    def _strata(self) -> dict[str, str]:
        return {name: os.path.dirname(path) for name, path in self.files.items()}

    def load_data_list(self) -> list[dict]:
        """Index one part of the split, sorted by name."""
        names = self.split.names(self.part)
        absent = [name for name in names if name not in self.files]
        if absent:
            raise LayoutError(
                f'{self.split.folder} ({self.part}) names {len(absent)} of {len(names)} images '
                f'that are not in {self.root}, for example {absent[0]}. Unpack the archive '
                'again, or use lists that belong to these files.'
            )
        strata = self._strata()
        own = {name: strata[name] for name in names}
        chosen_names = choose_subset(own, self.fraction, self.limit, self.seed)
        cut_name = name_cut(self.part, len(chosen_names), len(names))
        self._metainfo.update(split=f'{self.split.tag}/{cut_name}', samples=len(chosen_names))
        return [
            dict(
                img_path=os.path.join(self.root, self.files[name]),
                band_names=self.bands,
                gt_label=EUROSAT_CLASSES.index(strata[name]),
            )
            for name in chosen_names
        ]

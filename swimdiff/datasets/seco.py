"""SeCo (Manas et al., ICCV 2021): Sentinel-2 patches of places worldwide at several dates."""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from swimdiff.bands import RGB, SECO_BANDS, canonical_bands, seco_stem
from swimdiff.datasets.gdal_access import require_gdal
from swimdiff.datasets.seco_layout import find_root, list_locations, list_products
from swimdiff.datasets.skipping import SkipCounter
from swimdiff.errors import BandError, ConfigError, LayoutError, RasterError
from swimdiff.registry import DATASETS, TASK_UTILS, TRANSFORMS

__all__ = ['SeCo']

_CHOICES = {
    'samples': ('dates', 'locations'),
    'views_from': ('same_date', 'different_dates'),
    'single_date': ('raise', 'skip', 'same_date'),
}


@DATASETS.register_module()
class SeCo(BaseDataset):
    """The SeCo data set in its released layout, 100k and 1M alike.

    An item carries ``img_path`` (the product folder, or two for two dates), ``band_names``,
    ``stretch``, ``location``, ``date`` and ``scene_id``; the pipeline reads the pixels.

    Args:
        data_root: Folder with the six-digit location folders, or the folder above it.
        bands: Bands by name, in the order of the channels.
        samples: ``dates``: every date is a sample. ``locations``: every location is one, its
            dates drawn anew at each access.
        views_from: ``same_date``: both views from one date. ``different_dates``: from two
            dates of the location, drawn without replacement.
        single_date: What to do with a location of one date when two are needed: ``raise``,
            ``skip`` it, or take both views from the ``same_date``.
        scene: Scene definition (config of a component in ``TASK_UTILS``).
        stretch: Stretch each band between its quantiles to 0..255 when read.
        max_unreadable: Share of reads that may fail and be replaced by another sample, and of
            locations without dates or, where the scene needs it, a place; 0 raises at the first.
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree is not as released.
        BandError: A band that SeCo does not have.
        ConfigError: An unknown choice.
    """

    METAINFO = dict(dataset_type='SeCo', task_name='pre-training')

    def __init__(
        self,
        data_root: str,
        bands: Sequence[str] = RGB,
        samples: str = 'dates',
        views_from: str = 'same_date',
        single_date: str = 'raise',
        scene: dict | Any = None,
        stretch: bool = True,
        max_unreadable: float = 0.0,
        pipeline: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        chosen = dict(samples=samples, views_from=views_from, single_date=single_date)
        for option, value in chosen.items():
            if value not in _CHOICES[option]:
                raise ConfigError(f'{option}={value!r}: expected one of {_CHOICES[option]}.')
        self.bands = canonical_bands(bands)
        absent = [band for band in self.bands if band not in SECO_BANDS]
        if absent:
            raise BandError(f'SeCo has no {", ".join(absent)}; it has {", ".join(SECO_BANDS)}.')
        self.samples = samples
        self.views_from = views_from
        self.single_date = single_date
        scene = scene or dict(type='LocationScene')
        self.scene = TASK_UTILS.build(scene) if isinstance(scene, dict) else scene
        self.stretch = stretch
        self.skips = SkipCounter(max_unreadable)
        self.root = find_root(data_root)
        require_gdal()
        steps = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(data_root=str(data_root), pipeline=steps, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Index the tree: sorted, so that an index means the same sample everywhere."""
        dates = self._dates()
        if self.views_from == 'different_dates':
            dates = self._with_two_dates(dates)
        data_list: list[dict] = []
        for location, products in dates.items():
            if self.samples == 'locations':
                data_list.append(dict(location=location, products=products))
            else:
                # The other dates come along only where the second view needs them.
                others = products if self.views_from == 'different_dates' else ()
                data_list += [
                    dict(location=location, products=(product,), others=others)
                    for product in products
                ]
        name = f'{seco_stem(self.bands[0])}.tif'
        described = [
            dict(
                info,
                raster=self._path(info, info['products'][0], name),
                others=partial(self._rasters, info, dates[info['location']]),
            )
            for info in data_list
        ]
        for info, scene in zip(data_list, self.scene.assign(described), strict=True):
            info['scene_id'] = int(scene)
        for error in getattr(self.scene, 'unreadable', {}).values():
            self.skips.left_out(error, len(dates))
        return [info for info in data_list if info['scene_id'] >= 0]

    def _rasters(self, info: dict, products: Sequence[str]) -> list[str]:
        """Every file of a location that is of one of the bands."""
        names = [f'{seco_stem(band)}.tif' for band in self.bands]
        return [self._path(info, product, name) for product in products for name in names]

    def _dates(self) -> dict[str, tuple[str, ...]]:
        """Products of every location; locations without any stop or are skipped like samples."""
        dates, locations = {}, list_locations(self.root)
        for name in locations:
            try:
                dates[name] = list_products(self.root, name)
            except LayoutError as error:
                self.skips.left_out(error, len(locations))
        return dates

    def _with_two_dates(self, dates: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        lonely = [name for name, products in dates.items() if len(products) < 2]
        if lonely and self.single_date == 'raise':
            raise LayoutError(
                f"views_from='different_dates' needs two dates, but {len(lonely)} of {len(dates)} "
                f'locations in {self.root} have one ({", ".join(lonely[:5])} ...). Set '
                "single_date='skip' or 'same_date', or views_from='same_date'."
            )
        if self.single_date == 'skip':
            dates = {name: products for name, products in dates.items() if len(products) > 1}
            if not dates:
                raise LayoutError(
                    f"No location in {self.root} has two dates. Set views_from='same_date'."
                )
        return dates

    def _path(self, info: dict, *parts: str) -> str:
        return os.path.join(self.root, info['location'], *parts)

    def scene_ids(self) -> np.ndarray:
        """Scene id of every sample, int64, in the order of the data set (for samplers)."""
        return np.fromiter(
            (self.get_data_info(i)['scene_id'] for i in range(len(self))), np.int64, len(self)
        )

    def _draw_dates(self, info: dict) -> list[str]:
        """Products that the views are taken from: one, or two different ones.

        Drawn from NumPy's global generator, which the engine seeds in every worker.
        """
        products = list(info['products'])
        if self.views_from == 'same_date':
            return [products[np.random.randint(len(products))]]
        if self.samples == 'dates':
            others = [product for product in info['others'] if product != products[0]]
            return products + ([others[np.random.randint(len(others))]] if others else [])
        count = min(2, len(products))
        return [products[i] for i in np.random.permutation(len(products))[:count]]

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline; None for a sample that cannot be read and may be skipped."""
        info = self.get_data_info(idx)
        drawn = self._draw_dates(info)
        folders = [self._path(info, product) for product in drawn]
        results = dict(
            img_path=folders[0] if len(folders) == 1 else folders,
            band_names=self.bands,
            stretch=self.stretch,
            location=info['location'],
            date=[product.split('T')[0] for product in drawn],
            scene_id=info['scene_id'],
            sample_idx=info['sample_idx'],
        )
        self.skips.read()
        try:
            return self.pipeline(results)
        except (LayoutError, RasterError) as error:
            self.skips.failed(error)
            return None

"""The base of the pre-training data sets: patches of scenes, at one or several dates each."""

import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from swimdiff.bands import get_stats
from swimdiff.bands.units import UNITS
from swimdiff.datasets.index.cache import cache_folder, cached_array, cached_index, digest
from swimdiff.datasets.index.planes import stretch_table
from swimdiff.datasets.index.skipping import SkipCounter
from swimdiff.datasets.index.source import LocationSamples, PatchSource
from swimdiff.datasets.index.unit_check import check_archive
from swimdiff.datasets.packs.source import PackSource, is_pack
from swimdiff.errors import ConfigError, LayoutError, RasterError, readable
from swimdiff.randomness import sample_randomness
from swimdiff.registry import TASK_UTILS, TRANSFORMS

__all__ = ['ScenePatches']

_CHOICES = {
    'samples': ('dates', 'locations'),
    'views_from': ('same_date', 'different_dates'),
    'single_date': ('raise', 'skip', 'same_date'),
}


class ScenePatches(BaseDataset):
    """Patches of one archive, raw or packed.

    An item carries ``img_path`` (or two for two dates), ``band_names``, ``location``, ``date`` and
    ``scene_id``, and for the loading transform ``source``, ``index``, ``rows`` and ``tables``.
    Nothing is kept a sample: the index is mapped from a file, so a million samples open at once
    and workers share the memory.

    Args:
        data_root: The archive, or a pack made of it by ``tools/dataset_converters/pack.py``.
        source: Opens the archive; not called for a pack.
        bands: Bands by name, in the order of the channels; all by default.
        samples: ``dates``: every date is a sample. ``locations``: every location is one, its
            dates drawn anew at each access.
        views_from: ``same_date``: both views from one date. ``different_dates``: from two
            dates of the location, drawn without replacement.
        single_date: What to do with a location of one date when two are needed: ``raise``,
            ``skip`` it, or take both views from the ``same_date``.
        scene: Scene definition (config of a component in ``TASK_UTILS``).
        stretch: Stretch each band between its quantiles to 0..255 when read.
        stats: Statistics that hold the stretch, see :func:`swimdiff.bands.get_stats`.
        max_unreadable: Share of reads that may fail and be replaced by another sample, of files or
            scenes that cannot be used, and of locations without dates or, where the scene needs
            it, a place; 0 raises at the first.
        index_cache: Where the index is kept: ``auto``, a folder, or None for nowhere.
        local_copy: Folder on a fast local disk that shards of a pack are copied to when first
            used; None reads them where they are.
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree is not as released.
        BandError: A band that the archive does not have.
        ConfigError: An unknown choice.
    """

    METAINFO = dict(task_name='pre-training')

    def __init__(
        self,
        data_root: str,
        source: Callable[[], PatchSource],
        bands: Sequence[str] | None = None,
        samples: str = 'dates',
        views_from: str = 'same_date',
        single_date: str = 'raise',
        scene: dict | Any = None,
        stretch: bool = True,
        stats: Any = 'seco',
        max_unreadable: float = 0.0,
        index_cache: str | None = 'auto',
        local_copy: str | None = None,
        pipeline: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        chosen = dict(samples=samples, views_from=views_from, single_date=single_date)
        for option, value in chosen.items():
            if value not in _CHOICES[option]:
                raise ConfigError(f'{option}={value!r}: expected one of {_CHOICES[option]}.')
        self.samples, self.views_from, self.single_date = samples, views_from, single_date
        scene = scene or dict(type='LocationScene')
        self._scene_key = scene if isinstance(scene, dict) else None
        self.scene = TASK_UTILS.build(scene) if isinstance(scene, dict) else scene
        self.skips = SkipCounter(max_unreadable)
        data_root = str(Path(data_root).expanduser())
        packed = is_pack(data_root)
        if local_copy and not packed:
            print_log(
                f'local_copy={local_copy!r} copies shards of packs; {data_root} is no pack and is '
                'read where it is (tools/dataset_converters/pack.py makes one).',
                logger='current',
                level=logging.WARNING,
            )
        kind = type(self).__name__
        self.source = PackSource(data_root, kind, local_copy) if packed else source()
        self.root = self.source.root
        self.bands = self.source.names(bands)
        self.stretch = stretch
        if isinstance(self.source, PackSource):
            self.source.check_stretch(stretch, stats)
        #: What pixels are stretched with; None where they are taken as they are.
        self.stats = get_stats(stats) if stretch else None
        self._tables = self._stretch_tables(stats) if stretch else None
        self.index_cache = index_cache
        steps = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(data_root=data_root, pipeline=steps, **kwargs)

    def _stretch_tables(self, stats: Any) -> np.ndarray | None:
        if getattr(self.source, 'stretched', False):
            return None  # done when packed, by the statistics that the pack names
        table = get_stats(stats)
        if self.source.unit is not None and table.unit != self.source.unit:
            option = f' --dataset-options unit="{self.source.unit}"'
            known = table.unit in UNITS
            raise ConfigError(
                f'The statistics {table.name!r} are of {table.unit!r}, '
                + ('' if known else 'the numbers as they are in the files; ')
                + f'the pixels of {self.root} are {self.source.unit!r}. Name statistics of that '
                'unit (stats=...), or compute them with tools/dataset_converters/compute_stats.py'
                + (option if self.source.unit_is_declared else '')
                + '.'
            )
        low, high = table.select('low', self.bands), table.select('high', self.bands)
        return stretch_table(low, high, self.source.dtype)

    # The index

    def full_init(self) -> None:
        """Open the index, assign scenes, and choose the samples."""
        if getattr(self, '_fully_initialized', False):
            return
        folder = None
        if not isinstance(self.source, PackSource):
            folder = cache_folder(self.root, self.index_cache)
        build = self.source.build
        self.index, entry = cached_index(self.root, self.source.key(), build, folder)
        about = self.index.about
        for note in about.get('notes', ()):
            print_log(readable(note), logger='current', level=logging.WARNING)
        left_out = [LayoutError(message) for message in about.get('left_out', ())]
        # Of what they are a share: locations, or where one file holds many of these, files.
        asked = about.get('asked', len(self.index.locations) + len(left_out))
        self.skips.left_out(left_out, asked, about.get('asked_for', 'locations'))
        skip = self.skips.max_share > 0
        check_archive(self.source, self.index, self.bands, entry, skip)
        self._scene_of = self._assign_scenes(entry)
        self._location_of = self.index.location_of_rows()
        self._chosen = self._choose()
        if self._indices is not None:
            self._chosen = self._subset(self._indices)
        self._fully_initialized = True

    def _assign_scenes(self, entry: Any) -> np.ndarray:
        def assign() -> np.ndarray:
            samples = LocationSamples(self.source, self.index, self.bands)
            scenes = self.scene.assign(samples)
            errors = list(getattr(self.scene, 'unreadable', {}).values())
            self.skips.left_out(errors, len(samples), 'locations')
            return scenes

        if self._scene_key is None or self.skips.max_share:
            return assign()  # who is left out has to be counted each time
        name = f'scenes-{digest([self._scene_key, self.bands])}'
        return cached_array(entry, name, assign)

    def _choose(self) -> np.ndarray:
        """The rows or locations that are samples, in the order of the index."""
        dates = np.diff(self.index.first)
        usable = (self._scene_of >= 0) & (dates > 0)
        if self.views_from == 'different_dates':
            usable &= self._enough_dates(dates)
        if self.samples == 'locations':
            return np.flatnonzero(usable)
        return np.flatnonzero(usable[self._location_of])

    def _enough_dates(self, dates: np.ndarray) -> np.ndarray:
        lonely = np.flatnonzero(dates < 2)
        if len(lonely) and self.single_date == 'raise':
            names = ', '.join(self.index.locations[int(i)] for i in lonely[:5])
            raise LayoutError(
                f"views_from='different_dates' needs two dates, but {len(lonely)} of {len(dates)} "
                f'locations in {self.root} have one ({names} ...). Set '
                "single_date='skip' or 'same_date', or views_from='same_date'."
            )
        enough = dates > 1 if self.single_date == 'skip' else dates > 0
        if not enough.any():
            raise LayoutError(
                f"No location in {self.root} has two dates. Set views_from='same_date'."
            )
        return enough

    def _subset(self, indices: int | Sequence[int]) -> np.ndarray:
        if isinstance(indices, int):
            return self._chosen[:indices] if indices >= 0 else self._chosen[indices:]
        return self._chosen[np.asarray(indices)]

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """Keep some samples: the first n (the last for -n), or those named."""
        self.full_init()
        self._chosen = self._subset(indices)

    def get_subset(self, indices: int | Sequence[int]) -> 'ScenePatches':
        """A data set of some of the samples, over the same index."""
        other = copy.copy(self)
        other.get_subset_(indices)
        return other

    def __len__(self) -> int:
        self.full_init()
        return len(self._chosen)

    def scene_ids(self) -> np.ndarray:
        """Scene id of every sample, int64, in the order of the data set (for samplers)."""
        self.full_init()
        if self.samples == 'locations':
            return np.asarray(self._scene_of[self._chosen], np.int64)
        return np.asarray(self._scene_of[self._location_of[self._chosen]], np.int64)

    # Samples

    def get_data_info(self, idx: int) -> dict:
        """What is known of a sample without reading it."""
        self.full_init()
        chosen = int(self._chosen[idx])
        location = chosen if self.samples == 'locations' else int(self._location_of[chosen])
        return dict(
            location=self.index.locations[location],
            rows=self.index.rows(location),
            row=None if self.samples == 'locations' else chosen,
            scene_id=int(self._scene_of[location]),
            sample_idx=int(idx) if idx >= 0 else len(self._chosen) + int(idx),
        )

    def _draw_rows(self, info: dict) -> list[int]:
        """Rows that the views are taken from: one, or two of different dates.

        Drawn from NumPy's global generator, which is seeded a sample, or by the engine a worker.
        """
        rows, own = info['rows'], info['row']
        if self.views_from == 'same_date':
            return [rows[np.random.randint(len(rows))] if own is None else own]
        if own is None:
            return [rows[i] for i in np.random.permutation(len(rows))[:2]]
        others = [row for row in rows if row != own]
        return [own] + ([others[np.random.randint(len(others))]] if others else [])

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline; None for a sample that cannot be read and may be skipped."""
        with sample_randomness(idx):
            for _ in range(self.max_refetch + 1):
                self.skips.read()
                try:
                    return self.pipeline(self._results(idx))
                except (LayoutError, RasterError) as error:
                    self.skips.failed(error)
                # Drawn here, by the sample's own generator: the same stand-in whoever reads it.
                idx = np.random.randint(len(self._chosen))
        return None

    def _results(self, idx: int) -> dict:
        """What the pipeline starts from."""
        info = self.get_data_info(idx)
        rows = self._draw_rows(info)
        paths = [self.source.path(self.index, row) for row in rows]
        return dict(
            img_path=paths[0] if len(paths) == 1 else paths,
            band_names=self.bands,
            location=info['location'],
            date=[self.source.row_date(self.index, row) for row in rows],
            scene_id=info['scene_id'],
            sample_idx=info['sample_idx'],
            source=self.source,
            index=self.index,
            rows=rows,
            tables=self._tables,
        )

"""The base of the pre-training data sets: patches of scenes, at one or several dates each."""

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from swimdiff.bands import get_stats
from swimdiff.datasets.index import (
    LocationSamples,
    Patch,
    PatchIndex,
    SkipCounter,
    check_unit,
    digest,
)
from swimdiff.datasets.packs import open_source
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
    """Serve the patches of one archive, raw or packed.

    An item carries ``img_path`` (or two for two dates), ``band_names``, ``location``, ``date``,
    ``scene_id`` and ``sample_idx``, and ``patch``, which the loading transform reads and removes.
    Nothing is kept per sample: the index is mapped from a file, so a million samples open at once
    and workers share the memory.

    Args:
        data_root: The archive, or a pack made of it by ``tools/dataset_converters/pack.py``.
        source: Config of the archive's source, a component in ``SOURCES``, without ``data_root``.
        bands: Bands by name, in the order of the channels; all by default.
        samples: ``dates``: every date is a sample. ``locations``: every location is one, its
            dates drawn again at each access.
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
        source: Mapping[str, Any],
        bands: Sequence[str] | None = None,
        samples: str = 'dates',
        views_from: str = 'same_date',
        single_date: str = 'raise',
        scene: dict | Any = None,
        stretch: bool = True,
        stats: Any = 'seco',
        max_unreadable: float = 0.0,
        index_cache: str | None = 'auto',
        pipeline: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        choices = dict(samples=samples, views_from=views_from, single_date=single_date)
        for option, value in choices.items():
            if value not in _CHOICES[option]:
                raise ConfigError(f'{option}={value!r}: expected one of {_CHOICES[option]}.')
        self.samples, self.views_from, self.single_date = samples, views_from, single_date
        scene = scene or dict(type='LocationScene')
        self._scene_key = scene if isinstance(scene, dict) else None
        self.scene = TASK_UTILS.build(scene) if isinstance(scene, dict) else scene
        self.skips = SkipCounter(max_unreadable)
        if kwargs.pop('local_copy', None):
            raise ConfigError(
                'local_copy is no longer an option. Copy the pack to the local disk before the '
                'run (cp -r) and name that copy with data_root.'
            )
        self.source = open_source(data_root, source, type(self).__name__, index_cache)
        self.root = self.source.root
        self.bands = self.source.names(bands)
        self.stretch = stretch
        self._tables = self.source.make_tables(stats if stretch else None, self.bands)
        #: Statistics of the stretch; None where pixels are taken as they are.
        self.stats = get_stats(stats) if stretch else None
        steps = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(data_root=data_root, pipeline=steps, **kwargs)

    # The index

    @property
    def index(self) -> PatchIndex:
        """Return what the archive holds."""
        return self.source.index

    def full_init(self) -> None:
        """Open the index, assign scenes, and choose the samples."""
        if getattr(self, '_fully_initialized', False):
            return
        about = self.index.about
        for note in about.get('notes', ()):
            print_log(readable(note), logger='current', level=logging.WARNING)
        left_out = [LayoutError(message) for message in about.get('left_out', ())]
        # Of what they are a share: locations, or where one file holds many of these, files.
        asked_count = about.get('asked', len(self.index.locations) + len(left_out))
        self.skips.left_out(left_out, asked_count, about.get('asked_for', 'locations'))
        check_unit(self.source, self.bands, skip_unreadable=self.skips.max_share > 0)
        self._scene_of = self._assign_scenes()
        self._location_of = self.index.location_of_rows()
        self._chosen = self._choose()
        if self._indices is not None:
            self._chosen = self._subset(self._indices)
        self._fully_initialized = True

    def _assign_scenes(self) -> np.ndarray:
        def assign() -> np.ndarray:
            samples = LocationSamples(self.source, self.bands)
            scenes = self.scene.assign(samples)
            errors = list(getattr(self.scene, 'unreadable', {}).values())
            self.skips.left_out(errors, len(samples), 'locations')
            return scenes

        if self._scene_key is None or self.skips.max_share:
            return assign()  # who is left out has to be counted each time
        name = f'scenes-{digest([self._scene_key, self.bands])}'
        return self.source.keep_array(name, assign)

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
        """Return a data set of some of the samples, over the same index."""
        other = copy.copy(self)
        other.get_subset_(indices)
        return other

    def __len__(self) -> int:
        self.full_init()
        return len(self._chosen)

    def scene_ids(self) -> np.ndarray:
        """Return the scene id of every sample, int64, in order (for samplers)."""
        self.full_init()
        if self.samples == 'locations':
            return np.asarray(self._scene_of[self._chosen], np.int64)
        return np.asarray(self._scene_of[self._location_of[self._chosen]], np.int64)

    # Samples

    def get_data_info(self, idx: int) -> dict:
        """Return what is known of a sample without reading it."""
        self.full_init()
        row_or_location = int(self._chosen[idx])
        location = (
            row_or_location
            if self.samples == 'locations'
            else int(self._location_of[row_or_location])
        )
        return dict(
            location=self.index.locations[location],
            rows=self.index.rows(location),
            row=None if self.samples == 'locations' else row_or_location,
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
                # Drawn here, by the sample's own generator: the same stand-in for every reader.
                idx = np.random.randint(len(self._chosen))
        return None

    def _results(self, idx: int) -> dict:
        """Return what the pipeline starts from."""
        info = self.get_data_info(idx)
        patch = Patch(self.source, tuple(self._draw_rows(info)), self._tables)
        paths = patch.paths
        return dict(
            img_path=paths[0] if len(paths) == 1 else paths,
            band_names=self.bands,
            location=info['location'],
            date=patch.dates,
            scene_id=info['scene_id'],
            sample_idx=info['sample_idx'],
            patch=patch,
        )

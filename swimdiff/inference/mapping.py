"""Writing one map: from the files of its dates to a Cloud-Optimised GeoTIFF."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.datasets.geo import gdal_modules
from swimdiff.errors import ConfigError, DataError
from swimdiff.inference.blending import BandAccumulator, find_borders
from swimdiff.inference.grid import Grid, adapt_grid, read_grid
from swimdiff.inference.inputs import CloudRows, DateRows, RasterDate
from swimdiff.inference.map_job import MapJob, MapResult
from swimdiff.inference.opening import OpenedDate, open_date
from swimdiff.inference.pipeline import (
    Background,
    Consumer,
    FinishedRows,
    predict_strips,
    read_strips,
)
from swimdiff.inference.predictor import MapPredictor
from swimdiff.inference.seams import SeamMeter
from swimdiff.inference.windows import WindowPlan
from swimdiff.inference.writer import NODATA, PROBABILITY_STEPS, CogWriter, scale_probabilities
from swimdiff.progress import track

__all__ = ['Progress', 'run_windows', 'write_map']

#: Passes items on and shows how far it is, as :func:`swimdiff.progress.track` does: the items,
#: their number, and a name.
Progress = Callable[[Iterable[int], int, str], Iterable[int]]

#: Bytes of decoded blocks that GDAL keeps while a map is read, at most.
_MOST_CACHED = 512 << 20


def write_map(job: MapJob, predictor: MapPredictor, progress: Progress | None = track) -> MapResult:
    """Write one map.

    Args:
        job (MapJob): The map.
        predictor (MapPredictor): The model.
        progress (Progress, optional): Shows how far it is, by windows. Defaults to
            :func:`swimdiff.progress.track`; None shows nothing.

    Returns:
        MapResult: Where it is and what is in it.

    Raises:
        ConfigError: Options, or a model of another kind of map.
        DataError: The output is there already; inputs that are missing, damaged, of another place,
            other bands or another unit; or the disk is full. Nothing is left behind then.
    """
    begin = time.monotonic()
    if predictor.kind != job.kind:
        raise ConfigError(
            f'{predictor.source} is a model for {predictor.kind}. Expected one for {job.kind}; run '
            f'the {predictor.kind} map, or name another config and checkpoint.'
        )
    _refuse_existing(job)
    dates = [
        open_date(path, predictor.bands, predictor.stats, job.bands, job.unit, job.offset)
        for path in job.inputs
    ]
    grid = _choose_grid(job, dates[0])
    readers = [RasterDate(date, grid, predictor.stats) for date in dates]
    clouds = [CloudRows(path, job.cloud_values, grid) for path in job.cloud_masks]
    plan = WindowPlan(grid.height, grid.width, job.size, job.margin, job.align)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_widen_block_cache(dates))
        output = stack.enter_context(_MapOutput(job, predictor, grid, plan))
        for _ in _show_progress(
            run_windows(readers, clouds, predictor, plan, job.mode, job.batch_size, output.add),
            plan,
            job.out.name,
            progress,
            stack,
        ):
            pass
        return output.finish(time.monotonic() - begin)


def _choose_grid(job: MapJob, first: OpenedDate) -> Grid:
    grid = first.grid if job.grid is None else read_grid(job.grid)
    return adapt_grid(grid, job.resolution, job.bounds)


def _show_progress(
    steps: Generator[int, None, None],
    plan: WindowPlan,
    name: str,
    progress: Progress | None,
    stack: contextlib.ExitStack,
) -> Iterable[int]:
    """Return the steps with a display; they end, threads too, with the stack."""
    stack.callback(steps.close)
    return steps if progress is None else progress(steps, plan.count, name)


def run_windows(
    dates: Sequence[DateRows],
    clouds: Sequence[CloudRows],
    predictor: MapPredictor,
    plan: WindowPlan,
    mode: str,
    batch_size: int,
    add: Callable[[FinishedRows], None],
) -> Generator[int, None, None]:
    """Read, predict and hand on finished rows, side by side.

    Args:
        dates (Sequence[DateRows]): The dates.
        clouds (Sequence[CloudRows]): Cloud masks.
        predictor (MapPredictor): The model.
        plan (WindowPlan): The windows.
        mode (str): ``crop`` or ``blend``.
        batch_size (int): Windows per pass.
        add (Callable): Takes finished rows, in a thread of its own.

    Yields:
        int: One number per window that is done.
    """
    if batch_size < 1:
        raise ConfigError(f'batch_size={batch_size}: expected 1 or more.')
    accumulator = BandAccumulator(predictor.channels, plan, mode)
    with contextlib.ExitStack() as stack:
        strips = Background(read_strips(dates, clouds, plan))
        stack.callback(strips.close)
        writer = Consumer(add)
        stack.callback(writer.close)
        yield from predict_strips(
            strips, predictor.predict, accumulator, plan, batch_size, writer.put
        )
        writer.finish()


def _refuse_existing(job: MapJob) -> None:
    if job.overwrite:
        return
    for path in (job.out, job.probability_path):
        if path is not None and path.exists():
            raise DataError(
                f'{path} is there already. Name another file, or replace it with --overwrite '
                '(overwrite=True in Python).'
            )


@contextlib.contextmanager
def _widen_block_cache(dates: list[OpenedDate]) -> Iterator[None]:
    """Let GDAL keep one row of blocks of every band, so that none is decoded twice."""
    gdal, _ = gdal_modules()
    before = gdal.GetCacheMax()
    needed_bytes = 0
    for date in dates:
        for name in date.bands:
            about = date.scene.bands[name]
            dataset = gdal.OpenEx(str(date.root / about.file))
            band = dataset.GetRasterBand(about.channel)
            size = gdal.GetDataTypeSize(band.DataType) // 8
            needed_bytes += 2 * band.GetBlockSize()[1] * about.width * size
    gdal.SetCacheMax(max(before, min(needed_bytes, _MOST_CACHED)))
    try:
        yield
    finally:
        gdal.SetCacheMax(before)


class _MapOutput:
    """The files of a map, filled row by row; a context manager.

    Args:
        job (MapJob): The map.
        predictor (MapPredictor): The model.
        grid (Grid): Where the map lies.
        plan (WindowPlan): The windows.
    """

    def __init__(self, job: MapJob, predictor: MapPredictor, grid: Grid, plan: WindowPlan) -> None:
        self._job, self._predictor = job, predictor
        self._counts = np.zeros(NODATA + 1, np.int64)
        self._seams = None
        if job.seams:
            self._seams = SeamMeter(find_borders(plan.columns), find_borders(plan.rows))
        self.threshold = None
        if predictor.kind == 'change':
            self.threshold = predictor.threshold if job.threshold is None else job.threshold
        self._stack = contextlib.ExitStack()
        self._classes = self._open_classes(grid)
        self._probabilities = self._open_probabilities(grid)

    def _metadata(self) -> dict[str, str]:
        metadata = dict(
            MODEL=Path(self._predictor.source).name, BANDS=' '.join(self._predictor.bands)
        )
        if self.threshold is not None:
            metadata['THRESHOLD'] = repr(self.threshold)
        return metadata

    def _open_classes(self, grid: Grid) -> CogWriter:
        predictor = self._predictor
        return CogWriter(
            self._job.out,
            grid,
            'uint8',
            ['change' if predictor.kind == 'change' else 'land cover'],
            NODATA,
            predictor.classes,
            predictor.colours,
            self._metadata(),
        )

    def _open_probabilities(self, grid: Grid) -> CogWriter | None:
        path, kind = self._job.probability_path, self._job.probabilities
        if path is None or kind is None:
            return None
        predictor = self._predictor
        names = predictor.classes[1:] if predictor.kind == 'change' else predictor.classes
        whole = kind == 'float32'
        return CogWriter(
            path,
            grid,
            kind,
            [f'probability of {name}' for name in names],
            float('nan') if whole else NODATA,
            metadata=self._metadata(),
            scale=None if whole else 1 / PROBABILITY_STEPS,
        )

    def __enter__(self) -> '_MapOutput':
        self._stack.enter_context(self._classes)
        if self._probabilities is not None:
            self._stack.enter_context(self._probabilities)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, rows: FinishedRows) -> None:
        """Decide and write finished rows."""
        labels = self._predictor.decide(rows.probabilities, self._job.threshold)
        labels[~rows.valid] = NODATA
        self._counts += np.bincount(labels.ravel(), minlength=NODATA + 1)
        self._classes.write_rows(rows.first, labels)
        if self._seams is not None:
            self._seams.add_band(rows.first, rows.probabilities, rows.valid)
        if self._probabilities is not None:
            assert self._job.probabilities is not None
            scaled_probabilities = scale_probabilities(
                rows.probabilities, rows.valid, self._job.probabilities
            )
            self._probabilities.write_rows(rows.first, scaled_probabilities)

    def finish(self, seconds: float) -> MapResult:
        """Finish the files; ``seconds`` is the time until here."""
        begin = time.monotonic()
        if self._probabilities is not None:
            self._probabilities.finish()
        self._classes.finish()
        classes = self._predictor.classes
        return MapResult(
            path=self._job.out,
            probability_path=self._job.probability_path,
            classes=classes,
            colours=self._predictor.colours,
            counts=tuple(self._counts[: len(classes)].tolist()),
            nodata_count=int(self._counts[NODATA]),
            seconds=seconds + time.monotonic() - begin,
            threshold=self.threshold,
            seams=None if self._seams is None else self._seams.measure(),
        )

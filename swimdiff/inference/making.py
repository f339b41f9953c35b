"""One scene from its inputs, wherever they are, to the map and all that is made of it."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from swimdiff.bands import RGB, spell_bands
from swimdiff.errors import BandError, DataError, RasterError, SwiMDiffError
from swimdiff.inference.map_job import MapJob, MapResult
from swimdiff.inference.mapping import Progress, write_map
from swimdiff.inference.opening import open_date
from swimdiff.inference.predictor import MapPredictor
from swimdiff.inference.products import (
    ProductOptions,
    WrittenMap,
    read_map,
    write_page,
    write_polygons,
    write_qgis_style,
    write_quicklook,
)
from swimdiff.inference.remote import is_item, is_remote, prepare_input, shown_name
from swimdiff.progress import track

__all__ = ['MadeScene', 'make_scene']

#: Names of the dates on pictures.
_DATES = {'change': ('Before', 'After'), 'landcover': ('Scene',)}
#: Classes that show what lies below, by kind of map.
_UNPAINTED: Mapping[str, tuple[str, ...]] = {'change': ('0',), 'landcover': ()}


@dataclass(frozen=True)
class MadeScene:
    """Hold a map and its products.

    Args:
        result: The map.
        polygons: Number of polygons by class; empty where none were asked for.
        files: All files that were written.
    """

    result: MapResult
    polygons: Mapping[str, int]
    files: tuple[Path, ...]

    def describe(self) -> dict[str, Any]:
        """Return what a ledger keeps of it."""
        result = self.result
        counts = dict(zip(result.classes, result.counts, strict=True))
        about: dict[str, Any] = dict(pixels=counts, no_data=result.nodata_count)
        if result.threshold is not None:
            about['threshold'] = result.threshold
        if self.polygons:
            about['polygons'] = dict(self.polygons)
        if result.seams is not None:
            about['seams'] = asdict(result.seams)
        return about


def make_scene(
    job: MapJob,
    predictor: MapPredictor,
    products: ProductOptions | None = None,
    progress: Progress | None = track,
) -> MadeScene:
    """Write a map and what is made of it; each file is written whole or not at all.

    Args:
        job: The map. Its inputs may also be addresses of rasters and STAC items.
        predictor: The model.
        products: What is made of the map. Defaults to None, nothing.
        progress: Shows how far the map is. Defaults to :func:`swimdiff.progress.track`.

    Raises:
        SwiMDiffError: As :func:`write_map`, :func:`prepare_input` and the writers of products.
    """
    products = products or ProductOptions()
    _refuse_existing(job, products)
    far = any(is_remote(name) or is_item(name) for name in (*job.inputs, *job.cloud_masks))
    with tempfile.TemporaryDirectory(prefix='swimdiff-inputs-') as folder:
        local = _prepare(job, predictor, Path(folder))
        try:
            return _make(job, local, predictor, products, progress)
        except SwiMDiffError as error:
            if not far or not isinstance(error, RasterError):
                raise
            names = ', '.join(map(shown_name, job.inputs))
            raise RasterError(
                f'{names}: an input that is read over the network failed: {error}'
            ) from error
        except OSError as error:
            raise RasterError(
                f'{job.out} or what is made of it cannot be written: {error}.'
            ) from error


def _refuse_existing(job: MapJob, products: ProductOptions) -> None:
    for path in products.list_files(job.out).values():
        if path.exists() and not job.overwrite:
            raise DataError(
                f'{path} is there already. Name another --out, or replace it with --overwrite.'
            )


def _prepare(job: MapJob, predictor: MapPredictor, folder: Path) -> MapJob:
    """Return the job with inputs that lie on a disk; each has a folder of its own."""

    def localise(names: Sequence[str], kind: str) -> tuple[str, ...]:
        paths = []
        for number, name in enumerate(names):
            own = folder / f'{kind}{number}'
            own.mkdir()
            paths.append(prepare_input(name, predictor.bands, own))
        return tuple(paths)

    masks = localise(job.cloud_masks, 'clouds')
    return replace(job, inputs=localise(job.inputs, 'date'), cloud_masks=masks)


def _make(
    job: MapJob,
    local: MapJob,
    predictor: MapPredictor,
    products: ProductOptions,
    progress: Progress | None,
) -> MadeScene:
    # Polygons carry a mean probability: its raster is written for them, and kept where asked for.
    is_passing = bool(products.polygons) and job.probabilities is None
    result = write_map(
        replace(local, probabilities='uint8') if is_passing else local, predictor, progress
    )
    written_map = read_map(result.path, result.probability_path)
    paths = products.list_files(job.out)
    counts: Mapping[str, int] = {}
    try:
        for ending in products.polygons:
            counts = write_polygons(
                written_map, paths[ending], _polygon_classes(job, products), products.minimum_area
            )
    finally:
        if is_passing and result.probability_path is not None:
            result.probability_path.unlink(missing_ok=True)
            result = replace(result, probability_path=None)
    if products.qgis_style:
        write_qgis_style(written_map, paths['qml'], _UNPAINTED[job.kind])
    if products.draws:
        _draw(local, job, predictor, products, written_map)
    all_paths = [result.path, result.probability_path, *paths.values()]
    return MadeScene(result, counts, tuple(path for path in all_paths if path is not None))


def _polygon_classes(job: MapJob, products: ProductOptions) -> Sequence[str] | None:
    if products.polygon_classes is None and job.kind == 'change':
        return ('1',)
    return products.polygon_classes


def _draw(
    local: MapJob,
    job: MapJob,
    predictor: MapPredictor,
    products: ProductOptions,
    made: WrittenMap,
) -> None:
    """Write quick-look and page."""
    picture_bands = _picture_bands(predictor, products)
    imagery = {}
    for name, path in zip(_DATES[job.kind], local.inputs, strict=True):
        date = open_date(
            path, predictor.bands, predictor.stats, local.bands, local.unit, local.offset
        )
        bands = [date.scene.bands[band] for band in picture_bands]
        imagery[name] = [(str(date.root / band.file), band.channel) for band in bands]
    unpainted_classes = _UNPAINTED[job.kind]
    paths = products.list_files(job.out)
    if products.quicklook:
        last = list(imagery.values())[-1]
        write_quicklook(made, paths['png'], last, unpainted=unpainted_classes)
    if products.page:
        write_page(made, paths['html'], imagery, unpainted=unpainted_classes)


def _picture_bands(predictor: MapPredictor, products: ProductOptions) -> tuple[str, ...]:
    model_bands = predictor.bands
    if products.picture_bands is not None:
        picture_bands = spell_bands(products.picture_bands)
        missing_bands = [band for band in picture_bands if band not in model_bands]
        if missing_bands:
            raise BandError(
                f'--picture-bands: the model does not read {", ".join(missing_bands)}; it reads '
                f'{" ".join(model_bands)}. Choose among these.'
            )
        return picture_bands
    if set(RGB) <= set(model_bands):
        return RGB
    return model_bands[:3] if len(model_bands) > 2 else model_bands[:1]

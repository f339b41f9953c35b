"""Maps for scripts and notebooks: of files, of arrays, or of arrays with coordinates."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np

from swimdiff.errors import ConfigError
from swimdiff.inference import MapJob, MapPredictor, MapResult, build_predictor, write_map
from swimdiff.inference.arrays import ArrayMap, open_array
from swimdiff.inference.mapping import run_windows
from swimdiff.inference.windows import WindowPlan
from swimdiff.inference.writer import NODATA

__all__ = ['predict_change', 'predict_landcover']

#: A model: built already, its checkpoint (which carries its config), or config and checkpoint.
Model: TypeAlias = MapPredictor | str | os.PathLike | tuple[str | os.PathLike, str | os.PathLike]


def _open_model(model: Model) -> MapPredictor:
    if isinstance(model, MapPredictor):
        return model
    config, checkpoint = model if isinstance(model, tuple) else (None, model)
    return build_predictor(config, checkpoint)


def _is_path(data: Any) -> bool:
    return isinstance(data, str | os.PathLike)


def _predict_files(
    kind: str, model: MapPredictor, inputs: Sequence[Any], out: Any, options: dict[str, Any]
) -> MapResult:
    if out is None:
        raise ConfigError(
            'A map of files is written to a file: name it with out=..., or give arrays for a map '
            'in memory.'
        )
    job = MapJob(kind, tuple(os.fspath(path) for path in inputs), Path(out), **options)
    return write_map(job, model, progress=None)


def _check_coordinates(inputs: Sequence[Any]) -> None:
    """Refuse two dates of different pixels: arrays are not warped."""
    for name in ('y', 'x'):
        one, other = (data.coords[name].values if name in data.coords else None for data in inputs)
        if one is not None and other is not None and not np.array_equal(one, other):
            raise ConfigError(
                f'The two dates have different coordinates {name}: from {one[0]} and {other[0]}. '
                'Expected the same pixels; bring them onto one grid, or give paths, which are '
                'warped.'
            )


def _predict_arrays(
    model: MapPredictor,
    inputs: Sequence[Any],
    bands: Sequence[str] | None = None,
    unit: str | None = None,
    probabilities: bool = False,
    threshold: float | None = None,
    size: int = 512,
    margin: int = 64,
    align: int = 32,
    mode: str = 'blend',
    batch_size: int = 4,
) -> Any:
    is_plain = isinstance(inputs[0], np.ndarray)
    if any(isinstance(data, np.ndarray) != is_plain or _is_path(data) for data in inputs):
        raise ConfigError('Give both dates in one form: paths, numpy arrays or DataArrays.')
    dates = [open_array(data, model, bands, unit) for data in inputs]
    if len({date.shape for date in dates}) > 1:
        raise ConfigError(
            f'The dates are of {" and ".join(f"{h} x {w}" for h, w in (d.shape for d in dates))} '
            'pixels. Expected the same pixels; give paths, which are warped, or bring them onto '
            'one grid.'
        )
    if not is_plain and len(inputs) > 1:
        _check_coordinates(inputs)
    plan = WindowPlan(*dates[0].shape, size, margin, align)
    made_map = ArrayMap(model, dates[0].shape, threshold)
    for _ in run_windows(dates, [], model, plan, mode, batch_size, made_map.add):
        pass
    values = made_map.probabilities if probabilities else made_map.labels
    return values if is_plain else _with_coordinates(values, inputs[0], model)


def _with_coordinates(values: np.ndarray, like: Any, model: MapPredictor) -> Any:
    """Return a map as a DataArray with the coordinates of its input."""
    import xarray

    plane_coordinates = {
        name: coordinate
        for name, coordinate in like.coords.items()
        if set(coordinate.dims) <= {'y', 'x'}
    }
    attributes: dict[str, Any] = dict(classes=list(model.classes))
    if values.ndim == 2:
        attributes['_FillValue'] = NODATA
        return xarray.DataArray(values, plane_coordinates, ('y', 'x'), model.kind, attributes)
    names = model.classes[1:] if model.kind == 'change' else model.classes
    coordinates = dict(plane_coordinates, band=list(names))
    return xarray.DataArray(values, coordinates, ('band', 'y', 'x'), 'probability', attributes)


def _predict(kind: str, model: Model, inputs: Sequence[Any], out: Any, options: dict) -> Any:
    predictor = _open_model(model)
    if predictor.kind != kind:
        raise ConfigError(
            f'{predictor.source} is a model for {predictor.kind}; call predict_{predictor.kind}.'
        )
    if all(_is_path(data) for data in inputs):
        return _predict_files(kind, predictor, inputs, out, options)
    if out is not None:
        raise ConfigError(
            'out=... is for maps of files; a map of arrays is returned. Write it with rioxarray, '
            'or give paths.'
        )
    return _predict_arrays(predictor, inputs, **options)


@overload
def predict_change(
    model: Model, before: np.ndarray, after: np.ndarray, out: None = None, **options: Any
) -> np.ndarray: ...


@overload
def predict_change(
    model: Model,
    before: str | os.PathLike,
    after: str | os.PathLike,
    out: str | os.PathLike | None = None,
    **options: Any,
) -> MapResult: ...


@overload
def predict_change(
    model: Model, before: Any, after: Any, out: None = None, **options: Any
) -> Any: ...


def predict_change(
    model: Model, before: Any, after: Any, out: str | os.PathLike | None = None, **options: Any
) -> Any:
    """Map what changed between two dates.

    Args:
        model (MapPredictor | path | tuple): Built already, its checkpoint, or config and
            checkpoint.
        before (Any): First date: a path, C x H x W numpy, or a DataArray with ``y`` and ``x``.
        after (Any): Second date, in the same form.
        out (str | PathLike, optional): The GeoTIFF to write, for paths. Defaults to None.
        **options (Any): For paths, of :class:`swimdiff.inference.MapJob`. For arrays ``bands``,
            ``unit``, ``threshold``, ``size``, ``margin``, ``align``, ``mode`` and ``batch_size``
            as there, and ``probabilities=True`` for probabilities instead of classes.

    Returns:
        MapResult | np.ndarray | DataArray: For paths the file that is written; for arrays H x W
        uint8, 0 unchanged, 1 changed, 255 without data (1 x H x W float32 with
        ``probabilities=True``, NaN without data), with coordinates where the inputs have them.

    Raises:
        ConfigError: Options, or a model of another kind of map.
        DataError: Inputs that are missing, damaged or of another place, other bands or unit.

    Examples:
        >>> import numpy as np
        >>> before, after = np.full((2, 3, 64, 96), 1500, np.uint16)
        >>> change = predict_change(model, before, after)
        >>> change.shape, change.dtype
        ((64, 96), dtype('uint8'))
        >>> result = predict_change(model, before_path, after_path, out=folder / 'change.tif')
        >>> result.path.name, result.classes
        ('change.tif', ('unchanged', 'changed'))
    """
    return _predict('change', model, (before, after), out, options)


@overload
def predict_landcover(
    model: Model, scene: np.ndarray, out: None = None, **options: Any
) -> np.ndarray: ...


@overload
def predict_landcover(
    model: Model,
    scene: str | os.PathLike,
    out: str | os.PathLike | None = None,
    **options: Any,
) -> MapResult: ...


@overload
def predict_landcover(model: Model, scene: Any, out: None = None, **options: Any) -> Any: ...


def predict_landcover(
    model: Model, scene: Any, out: str | os.PathLike | None = None, **options: Any
) -> Any:
    """Map the class of every pixel.

    Args:
        model (MapPredictor | path | tuple): Built already, its checkpoint, or config and
            checkpoint.
        scene (Any): A path, C x H x W numpy, or a DataArray with ``y`` and ``x``.
        out (str | PathLike, optional): The GeoTIFF to write, for paths. Defaults to None.
        **options (Any): As those of :func:`predict_change`.

    Returns:
        MapResult | np.ndarray | DataArray: For paths the file that is written; for arrays H x W
        uint8, the number of the class, 255 without data (C x H x W float32 with
        ``probabilities=True``), with coordinates where the input has them.

    Raises:
        ConfigError: Options, or a model of another kind of map.
        DataError: An input that is missing or damaged, or of other bands or another unit.

    Examples:
        >>> import numpy as np
        >>> scene = np.full((3, 64, 96), 1500, np.uint16)
        >>> predict_landcover(cover_model, scene, size=64, margin=0).shape
        (64, 96)
        >>> predict_landcover(cover_model, scene, probabilities=True).shape
        (3, 64, 96)
    """
    return _predict('landcover', model, (scene,), out, options)

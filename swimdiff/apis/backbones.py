"""Backbones in a few lines: open one, embed arrays or rasters, see which configs there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import yaml
from torch import Tensor

from swimdiff.datasets.rasters import RasterOptions
from swimdiff.errors import BandError, ConfigError, LayoutError, MissingExtraError, RasterError
from swimdiff.inference.embedding import Embedder, PatchReader, list_scenes, read_batches
from swimdiff.launch.paths import config_root

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ['EmbeddedRaster', 'ModelEntry', 'embed', 'list_models', 'load_backbone']


def load_backbone(path: str | PathLike[str], device: str = 'cpu', **given: Any) -> Embedder:
    """Open a backbone with the bands and the statistics of its images.

    Args:
        path: A pre-training checkpoint (``epoch_N.pth``), or a file of ``publish_backbone.py``
            (``.pth``, ``.safetensors``).
        device: Where to compute, such as ``cpu`` or ``cuda``.
        **given: ``stage`` and ``pool``, which features are taken (see
            :class:`~swimdiff.inference.embedding.Embedder`); and what the file does not say:
            ``backbone``, ``bands``, ``stats``, ``prefix``.

    Returns:
        The backbone in evaluation mode, for :func:`embed`; the network itself is
        ``network.backbone``.

    Raises:
        CheckpointError: The file cannot be read, or does not say what nobody gave.

    Examples:
        >>> backbone = load_backbone('epoch_200.pth')
        >>> backbone.bands
        ('B04', 'B03', 'B02')
    """
    return Embedder(str(path), device, **given)


@dataclass(frozen=True)
class EmbeddedRaster:
    """Hold the vectors of the patches of a raster, and where they lie.

    Args:
        vectors: R x C x D float32, NaN where a patch has too little data.
        transform: GDAL's six numbers of a raster with one pixel per patch.
        system: Coordinate system, WKT.
    """

    vectors: np.ndarray
    transform: tuple[float, float, float, float, float, float]
    system: str

    def to_xarray(self) -> DataArray:
        """Return the vectors with the coordinates of the middle of each patch.

        Raises:
            MissingExtraError: The extra ``maps`` is not installed.
        """
        west, dx, _, north, _, dy = self.transform
        rows, columns, _ = self.vectors.shape
        return _import_xarray().DataArray(
            self.vectors,
            dims=('y', 'x', 'feature'),
            coords=dict(
                y=north + (np.arange(rows) + 0.5) * dy, x=west + (np.arange(columns) + 0.5) * dx
            ),
            attrs=dict(crs=self.system),
        )


@overload
def embed(
    backbone: Embedder,
    images: np.ndarray | Tensor,
    *,
    bands: Sequence[str] | None = None,
    unit: str | None = None,
) -> np.ndarray: ...


@overload
def embed(
    backbone: Embedder,
    images: str | PathLike[str],
    *,
    unit: str | None = None,
    patch: int = 64,
    stride: int | None = None,
    options: RasterOptions | None = None,
) -> EmbeddedRaster: ...


@overload
def embed(
    backbone: Embedder,
    images: DataArray,
    *,
    bands: Sequence[str] | None = None,
    unit: str | None = None,
    patch: int = 64,
    stride: int | None = None,
) -> DataArray: ...


def embed(
    backbone: Embedder,
    images: Any,
    *,
    bands: Sequence[str] | None = None,
    unit: str | None = None,
    patch: int = 64,
    stride: int | None = None,
    options: RasterOptions | None = None,
) -> Any:
    """Turn images into vectors: arrays each as a whole, a raster patch by patch.

    Args:
        backbone: From :func:`load_backbone`.
        images: N x C x H x W, or C x H x W for one image; the path of a raster (GeoTIFF, JPEG 2000,
            VRT, ``*.SAFE``); or an ``xarray.DataArray`` with the dimensions ``band``, ``y`` and
            ``x``, its ``band`` coordinate naming the bands.
        bands: Name of each channel of an array; by default those of the backbone, in its order. A
            raster says itself.
        unit: Of the pixels, such as ``reflectance x 10000``; by default that of the statistics of
            the checkpoint. ``0..255`` for pictures that need no stretch.
        patch: Side of a patch in pixels, of rasters and DataArrays.
        stride: Pixels from one patch to the next; by default ``patch``.
        options: How a raster is read.

    Returns:
        For an array N x D float32 (D for one image), for a path an :class:`EmbeddedRaster`, for a
        DataArray one with the dimensions ``y``, ``x`` and ``feature`` and the middle of each patch
        as coordinates.

    Raises:
        BandError: A band that the backbone takes is missing.
        ConfigError: A unit or a size that does not fit.
        DataError: A raster that cannot be read.

    Examples:
        >>> import numpy as np
        >>> backbone = load_backbone('epoch_200.pth')
        >>> images = np.random.default_rng(0).integers(0, 3000, (2, 4, 64, 64))
        >>> bands = ('B02', 'B03', 'B04', 'B08')
        >>> embed(backbone, images, bands=bands, unit='reflectance x 10000').shape
        (2, 64)
        >>> embed(backbone, 'scene.tif', patch=32).vectors.shape
        (3, 4, 64)
    """
    stride = patch if stride is None else stride
    if isinstance(images, str | PathLike):
        return _embed_raster(backbone, str(images), unit, patch, stride, options)
    if hasattr(images, 'dims') and hasattr(images, 'coords'):
        return _embed_data_array(backbone, images, bands, unit, patch, stride)
    return backbone.embed(images, bands, unit)


def _embed_raster(
    backbone: Embedder,
    path: str,
    unit: str | None,
    patch: int,
    stride: int,
    options: RasterOptions | None,
) -> EmbeddedRaster:
    options = options or RasterOptions(min_valid=0.5)
    scenes = list_scenes([path], backbone.bands, options)
    if len(scenes) != 1:
        raise LayoutError(
            f'{path} holds {len(scenes)} scenes. Expected one; tools/embed.py writes a table of '
            'many.'
        )
    reader = PatchReader.open(scenes[0], backbone, patch, stride, unit, options)
    grid, vectors = reader.grid, None
    for batch in read_batches(reader):
        if not len(batch.rows):
            continue
        batch_vectors = backbone.embed_stretched(batch.images)
        if vectors is None:
            vectors = np.full((grid.rows, grid.columns, batch_vectors.shape[1]), np.nan, np.float32)
        vectors[batch.rows, batch.columns] = batch_vectors
    if vectors is None:
        raise RasterError(
            f'{path}: no patch has data enough (min_valid={options.min_valid:g}). Expected a '
            'raster with data; zeros count as none, unless RasterOptions(zeros_are_nodata=False).'
        )
    return EmbeddedRaster(vectors, grid.transform, grid.system)


def _embed_data_array(
    backbone: Embedder,
    images: DataArray,
    bands: Sequence[str] | None,
    unit: str | None,
    patch: int,
    stride: int,
) -> DataArray:
    if set(images.dims) != {'band', 'y', 'x'}:
        raise ConfigError(
            f'The DataArray has the dimensions {tuple(map(str, images.dims))}. Expected band, y '
            'and x; choose one date with .isel(time=...).'
        )
    if bands is None and 'band' not in images.coords:
        raise BandError('The DataArray does not name its bands. Give them in order: bands=(...).')
    names = list(bands or map(str, images.coords['band'].values))
    pixels = images.transpose('band', 'y', 'x')
    height, width = pixels.sizes['y'], pixels.sizes['x']
    if patch < 1 or stride < 1 or min(height, width) < patch:
        raise ConfigError(
            f'patch={patch}, stride={stride}: expected 1 or more, and at most the '
            f'{height} x {width} pixels of the DataArray.'
        )
    tops, lefts = (range(0, side - patch + 1, stride) for side in (height, width))
    rows = [
        backbone.embed(
            np.stack([pixels.values[:, top : top + patch, left : left + patch] for left in lefts]),
            names,
            unit,
        )
        for top in tops
    ]
    middles = {
        side: images.coords[side].values[np.array(starts)[:, None] + np.arange(patch)].mean(axis=1)
        for side, starts in (('y', tops), ('x', lefts))
        if side in images.coords
    }
    system = {name: value for name, value in images.coords.items() if name == 'spatial_ref'}
    return _import_xarray().DataArray(
        np.stack(rows), dims=('y', 'x', 'feature'), coords={**middles, **system}, attrs=images.attrs
    )


def _import_xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise MissingExtraError(
            f"Arrays with coordinates need xarray ({error}): pip install 'swimdiff[maps]'"
        ) from error
    return xarray


@dataclass(frozen=True)
class ModelEntry:
    """Describe a model of the metafiles beside the configs.

    Args:
        name: Its name.
        config: Its config, absolute; ``tools/train.py`` takes it.
        collection: The method that it is of.
        metadata: Epochs, batch size and the like.
        weights: Address of published weights; None where there are none yet.
        results: Scores by data set and task, as the metafile has them.
    """

    name: str
    config: Path
    collection: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    results: Sequence[Mapping[str, Any]] = ()


def list_models(part: str = '') -> list[ModelEntry]:
    """List the models that the metafiles of the configs describe.

    Args:
        part: Only models with this in their name.

    Raises:
        ConfigError: A metafile that cannot be read.

    Examples:
        >>> [model.name for model in list_models('swin-t')]
        ['swimdiff_swin-t_seco']
    """
    root, models = config_root(), []
    for path in sorted(root.rglob('metafile.yml')):
        try:
            content = yaml.safe_load(path.read_text())
            for entry in content.get('Models') or ():
                relative = Path(entry['Config']).relative_to('configs')
                models.append(
                    ModelEntry(
                        name=entry['Name'],
                        config=root / relative,
                        collection=entry.get('In Collection', ''),
                        metadata=entry.get('Metadata') or {},
                        weights=entry.get('Weights'),
                        results=tuple(entry.get('Results') or ()),
                    )
                )
        except (yaml.YAMLError, KeyError, ValueError, AttributeError) as error:
            raise ConfigError(
                f'{path} cannot be read as a metafile: {type(error).__name__}: {error}. Expected '
                'Models, each with Name and Config (configs/...).'
            ) from error
    return [model for model in models if part in model.name]

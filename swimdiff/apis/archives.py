"""Opening an archive of patches for a tool: a folder whose layout is recognised, or a config."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.registry import init_default_scope

from swimdiff.datasets.archives import ScenePatches
from swimdiff.datasets.packs import is_pack, read_manifest
from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.registry import DATASETS

__all__ = ['ARCHIVE_TYPES', 'open_archive']

#: Layouts that are recognised by their folders, tried in this order.
_LAYOUTS: tuple[dict[str, Any], ...] = (
    dict(type='SeCo'),
    dict(type='SEN12MS'),
    dict(type='SSL4EO', level='L2A'),
    dict(type='SSL4EO', level='L1C'),
)
ARCHIVE_TYPES = tuple(dict.fromkeys(layout['type'] for layout in _LAYOUTS))


def open_archive(
    source: str | Path,
    kind: str | None = None,
    bands: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> ScenePatches:
    """Build the data set of an archive without its transforms.

    Args:
        source: The archive's folder, a pack of it, or a config whose training data it is.
        kind: Name of the data set in the registry; by default that of the pack, or the first of
            :data:`ARCHIVE_TYPES` whose layout the folder has.
        bands: Bands by name; by default every band of the archive, or those of the config.
        options: Further options of the data set.

    Raises:
        ConfigError: The config trains on no archive of patches, or the layout is not recognised.
        DatasetNotFoundError: The folder is not there.
    """
    init_default_scope('swimdiff')
    settings: dict[str, Any] = dict(bands=tuple(bands) if bands else None, **(options or {}))
    if str(source).endswith('.py'):
        return _of_config(str(source), {k: v for k, v in settings.items() if v is not None})
    root = Path(source).expanduser()
    if not root.is_dir():
        raise DatasetNotFoundError(f'{root.absolute()} is no folder. Name the archive or a config.')
    if kind is None and is_pack(root):
        kind = read_manifest(root).kind
    if kind is not None:
        return _build(dict(type=kind, data_root=str(root), **settings))
    for layout in _LAYOUTS:
        try:
            dataset = _build({**layout, 'data_root': str(root), **settings, 'lazy_init': True})
        except LayoutError:
            continue
        dataset.full_init()
        return dataset
    raise ConfigError(
        f'{root} has the layout of none of {", ".join(ARCHIVE_TYPES)}. Name the data set: --type '
        'RasterScenes for a folder of scenes, or give a config that trains on it.'
    )


def _of_config(path: str, settings: dict[str, Any]) -> ScenePatches:
    loader = read_config_file(path).get('train_dataloader') or {}
    dataset_config = dict(loader.get('dataset') or {})
    if not dataset_config:
        raise ConfigError(f'{path} has no train_dataloader.dataset.')
    return _build({**dataset_config, **settings, 'pipeline': ()})


def _build(described: dict[str, Any]) -> ScenePatches:
    dataset = DATASETS.build(described)
    if not isinstance(dataset, ScenePatches):
        raise ConfigError(
            f'{type(dataset).__name__} is no archive of patches. Expected one of the pre-training '
            f'data sets: {", ".join((*ARCHIVE_TYPES, "RasterScenes"))}.'
        )
    if not described.get('lazy_init'):
        dataset.full_init()
    return dataset

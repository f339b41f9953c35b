"""Our configs for the inferencers of ``mmpretrain`` and ``mmsegmentation``.

They look names up in their own registry, take the preprocessor from inside the model and expect a
pipeline that begins with a file: with our configs they end in ``KeyError: 'BandClassifier is not in
the mmpretrain::model registry'``, or standardise nothing. :func:`prepare_config` returns a config
that they take.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from swimdiff import registry
from swimdiff.apis.statistics_transfer import transfer_statistics
from swimdiff.errors import ConfigError
from swimdiff.weights.checkpoint import Checkpoint, parse_config_text, read_checkpoint

__all__ = ['prepare_config']


def _list_own_names() -> set[str]:
    """Names of everything that is registered in our scope."""
    own_names: set[str] = set()
    for name in registry.__all__:
        one = getattr(registry, name)
        one.import_from_location()
        own_names |= set(one.module_dict)
    return own_names


def _name_scope(described: Any, own: set[str]) -> Any:
    """Return a config whose types of ours name their scope, without files to initialise from."""
    if isinstance(described, Mapping):
        scoped_config = {
            key: _name_scope(value, own)
            for key, value in described.items()
            if not (key == 'init_cfg' and isinstance(value, Mapping) and 'checkpoint' in value)
        }
        if isinstance(scoped_config.get('type'), str) and scoped_config['type'] in own:
            scoped_config['type'] = f'swimdiff.{scoped_config["type"]}'
        return scoped_config
    if isinstance(described, list | tuple):
        return type(described)(_name_scope(value, own) for value in described)
    return described


def _open_config(config: str | Path | Config | None, source: Checkpoint | None) -> Config:
    if isinstance(config, Config):
        return Config(config.to_dict())
    if config is not None:
        return Config.fromfile(config)
    checkpoint_config = parse_config_text(str(source.meta.get('cfg', ''))) if source else {}
    if not checkpoint_config:
        raise ConfigError(
            'prepare_config: no config. Expected the file of a config, or a checkpoint of '
            'tools/train.py, which carries its own.'
        )
    return Config(checkpoint_config)


def prepare_config(
    config: str | Path | Config | None = None, checkpoint: str | Path | None = None
) -> Config:
    """Return a config that ``mmpretrain`` and ``mmseg`` build and feed with arrays.

    The images are arrays H x W x bands of 0..255, in the order of the bands of the config; two
    dates lie one after the other. Do not give files: these packages read them as three colours in
    the order blue, green, red.

    Args:
        config: A config of this package, or one based on it. Defaults to None, the one in
            ``checkpoint``.
        checkpoint: The weights that will be loaded; mean and deviation are taken from it where the
            config asks for that (``input_statistics='checkpoint'``).

    Raises:
        ConfigError: Neither says what the model is.
        CheckpointError: The checkpoint cannot be read.

    Examples:
        >>> from mmpretrain import FeatureExtractor
        >>> config = prepare_config(checkpoint='epoch_100.pth')
        >>> extract = FeatureExtractor(config, pretrained='epoch_100.pth')
        >>> (features,) = extract(image)
    """
    source = read_checkpoint(checkpoint) if checkpoint is not None else None
    cfg = _open_config(config, source)
    if cfg.get('model') is None:
        raise ConfigError(f'{config}: expected a config with a model, found {list(cfg)}.')
    if source is not None:
        transfer_statistics(cfg, source)
    model = dict(cfg.model)
    model['data_preprocessor'] = model.get('data_preprocessor') or cfg.get('data_preprocessor')
    segments = 'decode_head' in model
    pipeline = [
        dict(type='LoadImageFromFile'),  # both replace it by their own loader
        dict(type='mmseg.PackSegInputs' if segments else 'mmpretrain.PackInputs'),
    ]
    inferencer_config = dict(
        default_scope='mmseg' if segments else 'mmpretrain',
        model=_name_scope(model, _list_own_names()),
        test_pipeline=pipeline,
        test_dataloader=dict(dataset=dict(type='BaseDataset', pipeline=pipeline)),
    )
    if segments:
        inferencer_config['visualizer'] = dict(type='mmseg.SegLocalVisualizer', name='inferencer')
    return Config(inferencer_config)

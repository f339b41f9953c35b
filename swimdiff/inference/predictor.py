"""The model of a map: a segmentor of mmsegmentation from a config and a checkpoint."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from swimdiff.bands import ProductStats, spell_bands, stats_to_mapping
from swimdiff.errors import BandError, CheckpointError, ConfigError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.launch import check_backbone, match_channels
from swimdiff.launch.noise import import_engine_quietly
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.registry import DATASETS, MODELS
from swimdiff.weights.checkpoint import Checkpoint, parse_config_text, read_checkpoint
from swimdiff.weights.engine_loading import guard_engine
from swimdiff.weights.input_statistics import read_statistics
from swimdiff.weights.pretrained import load_weights

__all__ = ['THRESHOLD_KEY', 'MapPredictor', 'build_predictor']

#: Where a checkpoint has the threshold that was chosen on validation.
THRESHOLD_KEY = 'change_threshold'

_CHANGE_CLASSES = ('unchanged', 'changed')
_CHANGE_COLOURS = ((224, 224, 224), (203, 24, 29))
#: Colours of classes whose data set names none: Okabe and Ito, distinct for the colour-blind too.
_COLOURS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), (153, 153, 153)),
)


@dataclass
class MapPredictor:
    """Turn windows of stretched pixels into probabilities by a segmentor.

    Args:
        model (nn.Module): In evaluation mode, with ``data_preprocessor`` and ``encode_decode``.
        kind (str): ``change`` or ``landcover``.
        bands (tuple[str, ...]): Bands of one date, in order.
        stats (ProductStats): Statistics that it was trained with.
        classes (tuple[str, ...]): Names of the classes.
        colours (tuple): Red, green and blue of each, 0 to 255.
        threshold (float): Probability above which a pixel is changed.
        source (str): The checkpoint, for messages and metadata.
    """

    model: nn.Module
    kind: str
    bands: tuple[str, ...]
    stats: ProductStats
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    threshold: float = 0.5
    source: str = ''

    @property
    def channels(self) -> int:
        """Return the channels: one probability of change, or one per class."""
        return 1 if self.kind == 'change' else len(self.classes)

    @property
    def device(self) -> torch.device:
        """Return the device of the model."""
        return next(self.model.parameters()).device

    @torch.inference_mode()
    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict a batch of windows.

        Args:
            images (np.ndarray): N x C x H x W uint8, the bands of the first date before those of
                the second.

        Returns:
            np.ndarray: N x :attr:`channels` x H x W float32, 0 to 1.
        """
        inputs = self._standardise(torch.from_numpy(images))
        size = tuple(inputs.shape[-2:])
        meta = dict(img_shape=size, ori_shape=size, pad_shape=size, padding_size=[0, 0, 0, 0])
        model: Any = self.model
        logits = model.encode_decode(inputs, [dict(meta) for _ in range(len(inputs))])
        return self._to_probabilities(logits.float()).cpu().numpy()

    def _standardise(self, images: Tensor) -> Tensor:
        preprocessor: Any = self.model.data_preprocessor
        if not isinstance(preprocessor, MultiBandPreprocessor):  # mmsegmentation's own
            return preprocessor(dict(inputs=list(images), data_samples=None))['inputs']
        return preprocessor(dict(inputs=images))['inputs']

    def _to_probabilities(self, logits: Tensor) -> Tensor:
        if logits.shape[1] == 1:
            change = logits.sigmoid()
            return change if self.kind == 'change' else torch.cat([1 - change, change], dim=1)
        shares = logits.softmax(dim=1)
        return shares[:, 1:2] if self.kind == 'change' else shares

    def decide(self, probabilities: np.ndarray, threshold: float | None = None) -> np.ndarray:
        """Return the classes of pixels.

        Args:
            probabilities (np.ndarray): :attr:`channels` x H x W.
            threshold (float, optional): For change. Defaults to None, that of the model.

        Returns:
            np.ndarray: H x W uint8.
        """
        if self.kind == 'landcover':
            return probabilities.argmax(axis=0).astype(np.uint8)
        limit = self.threshold if threshold is None else threshold
        return (probabilities[0] > limit).astype(np.uint8)


def build_predictor(
    config: str | os.PathLike[str] | Config | None,
    checkpoint: str | os.PathLike[str],
    device: str | torch.device | None = None,
    options: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> MapPredictor:
    """Build the model of a map.

    Args:
        config (str | PathLike | Config, optional): The config that the model was trained with, by
            path or name. None takes the one that the checkpoint carries.
        checkpoint (str | PathLike): What ``tools/train.py`` wrote.
        device (str | torch.device, optional): Defaults to None, a GPU where there is one.
        options (Mapping, optional): Options of the config by dotted key. Defaults to None.
        trust (bool): True runs code that the checkpoint holds. Defaults to False.

    Returns:
        MapPredictor: In evaluation mode.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or of another model.
        ConfigError: The config is missing, or is not of a segmentor.
        BandError: Nothing says the bands or the statistics of the model.

    Examples:
        >>> predictor = build_predictor(
        ...     'change_detection/oscd/change-unet_r18_frozen_oscd.py', 'epoch_100.pth'
        ... )  # doctest: +SKIP
    """
    guard_engine()
    import_engine_quietly()
    checkpoint_read = read_checkpoint(checkpoint, weights_only=not trust)
    cfg = _read_config(config, checkpoint_read)
    cfg.merge_from_dict(dict(options or {}))
    match_channels(cfg)
    check_backbone(cfg)
    bands, stats = _find_statistics(cfg, checkpoint_read)
    model = _build_model(cfg, stats, bands)
    print_log(load_weights(model, checkpoint_read, prefix=None), logger='current')
    chosen_device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model.to(chosen_device).eval()
    kind = 'change' if _takes_two_dates(model, bands) else 'landcover'
    classes, colours = _find_classes(cfg, checkpoint_read, model, kind)
    threshold = _find_threshold(checkpoint_read, model)
    return MapPredictor(
        model, kind, bands, stats, classes, colours, threshold, os.fspath(checkpoint)
    )


def _read_config(config: Any, checkpoint: Checkpoint) -> Config:
    if isinstance(config, Config):
        return Config(config.to_dict())
    if config is not None:
        return read_config_file(config)
    text = checkpoint.meta.get('cfg')
    parsed_config = parse_config_text(text) if isinstance(text, str) else {}
    if 'model' not in parsed_config:
        raise ConfigError(
            f'{checkpoint.path} carries no config of a model. Name the config that it was trained '
            'with.'
        )
    return Config(parsed_config)


def _find_threshold(checkpoint: Checkpoint, model: Any) -> float:
    """Return the threshold chosen on validation, else that of the head, else 0.5."""
    threshold = checkpoint.meta.get(THRESHOLD_KEY)
    if threshold is None:
        threshold = getattr(model.decode_head, 'threshold', None)
    return 0.5 if threshold is None else float(threshold)


def _find_statistics(cfg: Config, checkpoint: Checkpoint) -> tuple[tuple[str, ...], ProductStats]:
    """Return the bands of one date and the statistics of their training."""
    model_preprocessor = (cfg.get('model') or {}).get('data_preprocessor')
    preprocessor = model_preprocessor or cfg.get('data_preprocessor') or {}
    stats = read_statistics(checkpoint)
    if stats is None:
        text = Config(cfg.to_dict(), format_python_code=False).pretty_text
        stats = read_statistics(Checkpoint(checkpoint.path, {}, dict(cfg=text)))
        if stats is not None:
            print_log(
                f'{checkpoint.path} does not say its statistics; those of the config are taken',
                logger='current',
                level=logging.WARNING,
            )
    band_names = preprocessor.get('bands') or checkpoint.bands
    if stats is None or not band_names:
        raise BandError(
            f'Neither {checkpoint.path} nor the config says with which bands and statistics the '
            "model was trained. Expected data_preprocessor=dict(bands=[...], stats='...') in the "
            "config, or input_statistics in the checkpoint's meta."
        )
    bands = spell_bands(band_names)
    missing_bands = [band for band in bands if band not in stats.low]
    if missing_bands:
        raise BandError(
            f'{checkpoint.path} has no statistics of {", ".join(missing_bands)}; it has '
            f'{", ".join(stats.low)}. Use the config that it was trained with.'
        )
    return bands, stats


def _drop_pretrained(described: Any) -> None:
    """Let no part read a file of its own, in place: all weights are in the checkpoint."""
    if isinstance(described, dict):
        for key, value in list(described.items()):
            if key == 'pretrained':
                described[key] = False if isinstance(value, bool) else None
            else:
                _drop_pretrained(value)
    elif isinstance(described, list | tuple):
        for value in described:
            _drop_pretrained(value)


def _build_model(cfg: Config, stats: ProductStats, bands: tuple[str, ...]) -> Any:
    init_default_scope(cfg.get('default_scope', 'swimdiff'))
    model_config = dict(cfg.get('model') or {})
    preprocessor = dict(model_config.get('data_preprocessor') or cfg.get('data_preprocessor') or {})
    if preprocessor.get('bands'):
        for own in ('mean', 'std'):
            preprocessor.pop(own, None)
        preprocessor.update(bands=bands, stats=stats_to_mapping(stats, bands))
    model_config['data_preprocessor'] = preprocessor
    model_config = Config(dict(model=model_config)).model
    _drop_pretrained(model_config)
    model = MODELS.build(model_config)
    if not hasattr(model, 'encode_decode') or not hasattr(model, 'decode_head'):
        raise ConfigError(
            f'A map needs a segmentor of mmsegmentation (EncoderDecoder or ChangeSegmentor); the '
            f'config builds a {type(model).__name__}.'
        )
    return model


def _takes_two_dates(model: Any, bands: Sequence[str]) -> bool:
    from swimdiff.models.change import ChangePreprocessor, SiameseEncoder

    preprocessor = model.data_preprocessor
    return isinstance(preprocessor, ChangePreprocessor) or isinstance(
        model.backbone, SiameseEncoder
    )


def _find_classes(
    cfg: Config, checkpoint: Checkpoint, model: Any, kind: str
) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Return names and colours of the classes: of the checkpoint, the data set, or numbers."""
    if kind == 'change':
        return _CHANGE_CLASSES, _CHANGE_COLOURS
    head = model.decode_head
    count = max(int(getattr(head, 'num_classes', 2)), 2)
    about = checkpoint.meta.get('dataset_meta') or _dataset_meta(cfg)
    names = tuple(str(name) for name in (about.get('classes') or ()))
    if names and len(names) != count:
        raise CheckpointError(
            f'{checkpoint.path}: its data has the classes {", ".join(names)}, the head of the '
            f'config {count}. Use the config that it was trained with.'
        )
    if count > 255:
        raise ConfigError(f'The head has {count} classes; a map of uint8 holds at most 255.')
    palette = [(int(red), int(green), int(blue)) for red, green, blue in about.get('palette') or ()]
    if len(palette) != count:
        palette = [_COLOURS[number % len(_COLOURS)] for number in range(count)]
    return names or tuple(f'class {number}' for number in range(count)), tuple(palette)


def _dataset_meta(cfg: Config) -> Mapping[str, Any]:
    """Return what the class of the training data says of its classes."""
    dataset_config = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if dataset_config.get('metainfo'):
        return dataset_config['metainfo']
    kind = DATASETS.get(dataset_config['type']) if dataset_config.get('type') else None
    return kind.METAINFO if kind is not None and issubclass(kind, BaseDataset) else {}

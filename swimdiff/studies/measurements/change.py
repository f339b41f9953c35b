"""Change detection on top of the frozen backbone, by the configs of the toolkit."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from swimdiff.errors import ConfigError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.paths import find_config
from swimdiff.registry import MEASUREMENTS, MODELS
from swimdiff.studies.measurements.base import Measurement, Subject
from swimdiff.visualization.report.record import read_run

__all__ = ['ChangeMeasurement', 'build_change_config']

#: How the floor's weights are drawn, as the ``frozen-random`` configs have it.
_RANDOM_INIT = [
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', val=1, layer='_BatchNorm'),
]
_SCORES = ('F1', 'precision', 'recall', 'IoU', 'AP')


@MEASUREMENTS.register_module()
class ChangeMeasurement(Measurement):
    """Train a change head on the frozen backbone and score it on the test split.

    ``tools/train.py`` and ``tools/test.py`` run the config with the backbone of the cell; widths of
    the head follow from it, the seed is that of the cell. ``F1``, ``precision``, ``recall`` and
    ``IoU`` are those of the change class at a probability of 0.5, in per cent, and ``AP`` is the
    average precision over all thresholds: changed pixels are few, and how many of them a head puts
    above 0.5 says more about the head than about the backbone. ``loss`` is the mean training loss
    over the last tenth of the epochs, and ``settling`` how far it still fell, in per cent of the
    tenth before: near 0 where the head is trained. Floor: the backbone with random weights.

    .. code:: python

        dict(
            type='ChangeMeasurement',
            name='oscd',
            config='change_detection/oscd/change-unet_r18_frozen_oscd-holdout.py',
            data_root='data/oscd',
            epochs=50,
        )

    Args:
        config (str): A change-detection config with a ``SiameseEncoder``.
        data_root (str, optional): Of its data sets. Defaults to None, as the config has it.
        epochs (int, optional): Of the head. Defaults to None, as the config has it.
        options (dict, optional): Further options of the config by dotted key. Defaults to None.
        preset (str): Of ``ChangeMetric``, how tiles become one score. Defaults to ``strict``.
        workers (int): Loading processes. Defaults to 2.
        keep_head (bool): Whether the checkpoint of the head is kept. Defaults to False.

    Raises:
        ConfigError: The number of epochs is not positive.
    """

    kinds = ('trained', 'random')

    def __init__(
        self,
        config: str,
        data_root: str | None = None,
        epochs: int | None = None,
        options: Mapping[str, Any] | None = None,
        preset: str = 'strict',
        workers: int = 2,
        keep_head: bool = False,
    ) -> None:
        if epochs is not None and epochs < 1:
            raise ConfigError(f'ChangeMeasurement: epochs={epochs}; expected 1 or more.')
        self.config, self.data_root, self.epochs = config, data_root, epochs
        self.options, self.preset = dict(options or {}), preset
        self.workers, self.keep_head = workers, keep_head

    def measure(self, subject: Subject) -> dict[str, float]:
        """Train and test a head on a cell's backbone, see :class:`Measurement`."""
        cfg = build_change_config(find_config(self.config), subject)
        self._fit(cfg)
        subject.folder.mkdir(parents=True, exist_ok=True)
        path = subject.folder / 'config.py'
        cfg.dump(path)
        train, test = subject.folder / 'train', subject.folder / 'test'
        log = subject.folder / 'log.txt'
        subject.run_tool('train', [str(path), '--work-dir', str(train), '--resume'], log)
        checkpoint = train / f'epoch_{cfg.train_cfg.max_epochs}.pth'
        shutil.rmtree(test, ignore_errors=True)  # of an earlier attempt
        subject.run_tool('test', [str(path), str(checkpoint), '--work-dir', str(test)], log)
        scores = {**_read_scores(test, self.preset), **_judge_loss(train)}
        if not self.keep_head:
            for file in train.glob('*.pth'):
                file.unlink()
        return scores

    def _fit(self, cfg: Config) -> None:
        """Apply the options of the measurement."""
        for name in ('train_dataloader', 'test_dataloader'):
            loader = cfg[name]
            loader.num_workers = self.workers
            loader.persistent_workers = self.workers > 0
            if self.data_root is not None:
                loader.dataset.data_root = self.data_root
        if self.epochs is not None:
            cfg.train_cfg.max_epochs = self.epochs
        interval = max(1, cfg.train_cfg.max_epochs // 5)
        cfg.default_hooks.checkpoint.update(interval=interval, max_keep_ckpts=1)
        cfg.default_hooks.pop('report', None)
        cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
        cfg.test_evaluator = [dict(type='ChangeMetric', preset=self.preset, ranks=True)]
        cfg.merge_from_dict(self.options)


def build_change_config(path: Path, subject: Subject) -> Config:
    """Put the backbone of a cell into a change-detection config.

    Args:
        path (Path): The config.
        subject (Subject): The cell.

    Raises:
        ConfigError: The config has no siamese encoder.
    """
    cfg = read_config_file(path)
    encoder: Any = (cfg.get('model') or {}).get('backbone') or {}
    if 'backbone' not in encoder:
        raise ConfigError(
            f'ChangeMeasurement: {path} has no model.backbone.backbone; expected a config with a '
            'SiameseEncoder, such as those below configs/change_detection.'
        )
    backbone = dict(subject.backbone)
    if backbone['type'] == encoder.backbone.type and 'out_indices' in encoder.backbone:
        # Pre-training may ask for the last stage only.
        backbone['out_indices'] = encoder.backbone.out_indices
    cfg.model.decode_head.in_channels = _measure_widths(encoder, backbone)
    if subject.checkpoint is not None:
        backbone['init_cfg'] = dict(
            type='Pretrained',
            checkpoint=str(subject.checkpoint),
            prefix='backbone.',
            bands=cfg.data_preprocessor.bands,
        )
    elif str(backbone['type']).endswith('ResNet'):
        backbone.update(zero_init_residual=False, init_cfg=_RANDOM_INIT)
    cfg.model.backbone.backbone = backbone
    # All cells, floors too, see the same images; `options` of the measurement can change that.
    cfg.input_statistics = 'config'
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=subject.seed)
    return cfg


@torch.no_grad()
def _measure_widths(encoder: Mapping[str, Any], backbone: Mapping[str, Any]) -> tuple[int, ...]:
    """Channels of the levels that the encoder gives with a backbone, finest first."""
    with torch.random.fork_rng():
        network = MODELS.build({**encoder, 'backbone': dict(backbone)})
    network.eval()
    channels = 2 * backbone.get('in_channels', 3)
    return tuple(level.shape[1] for level in network(torch.zeros(1, channels, 96, 96)))


def _read_scores(folder: Path, preset: str) -> dict[str, float]:
    """Scores of the newest test, from the JSON file that the engine's logger writes."""
    files = sorted(folder.glob('*/*.json'))
    content = json.loads(files[-1].read_text()) if files else {}
    scores = {
        name.rpartition('/')[2]: float(value)
        for name, value in content.items()
        if name.startswith(f'change/{preset}/')
    }
    if not set(_SCORES) <= set(scores):
        raise ConfigError(
            f'{folder}: expected scores change/{preset}/SPLIT/{{{",".join(_SCORES)}}} of '
            f'tools/test.py, found {", ".join(content) or "none"}.'
        )
    return {name: scores[name] for name in _SCORES}


def _judge_loss(folder: Path) -> dict[str, float]:
    values = read_run(folder).train['loss'].values
    tenth = max(1, len(values) // 10)
    last = np.mean(values[-tenth:])
    before = np.mean(values[-2 * tenth : -tenth]) if len(values) > tenth else last
    return dict(loss=float(last), settling=float(100 * (before - last) / before))

"""Fitting a run to the machine it is on."""

import os

import torch
from mmengine.config import Config
from torch import distributed

from swimdiff.errors import ConfigError

__all__ = ['adapt_to_device', 'check_amp']


def check_amp() -> None:
    """Raise where mixed precision was asked for without a GPU.

    Raises:
        ConfigError: If there is no GPU.
    """
    if not torch.cuda.is_available():
        raise ConfigError(
            '--amp needs a GPU and torch sees none (`python -m swimdiff.doctor` says what it '
            'sees); leave --amp away to train on the CPU'
        )


def adapt_to_device(cfg: Config) -> None:
    """Let a run work where there is no GPU.

    Pinned memory serves copies to a GPU only and makes torch warn without one. The engine's
    launcher sets a CUDA device in any case and hands it to the model wrapper; here the processes
    are joined by gloo and the wrapper gets no device.

    Args:
        cfg (Config): The config of the run, changed in place.

    Raises:
        ConfigError: If a launcher other than torchrun is used without a GPU.
    """
    if torch.cuda.is_available():
        return
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(name):
            cfg[name].pin_memory = False
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none':
        return
    if launcher != 'pytorch':
        raise ConfigError(
            f'--launcher {launcher} needs GPUs and torch sees none here; on CPUs start the '
            'processes with tools/dist_train.sh (torchrun)'
        )
    if 'RANK' not in os.environ:
        raise ConfigError('--launcher pytorch: start it with tools/dist_train.sh CONFIG PROCESSES')
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )

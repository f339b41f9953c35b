"""Fitting a run to the machine it is on."""

import argparse
import contextlib
import difflib
import importlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine._strategy import BaseStrategy
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook
from mmengine.logging import MMLogger
from mmengine.runner import FlexibleRunner, Runner
from torch import distributed

from swimdiff.errors import ConfigError
from swimdiff.launch.config_options import ConfigOptions
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.noise import quiet_logger, start_quietly
from swimdiff.launch.paths import SCOPE, find_config
from swimdiff.launch.unknown_names import check_config_keys
from swimdiff.registry import MODELS
from swimdiff.weights.engine_loading import guard_engine
from swimdiff.weights.unpickling import trust_checkpoints

__all__ = [
    'adapt_to_device',
    'add_run_arguments',
    'build_runner',
    'check_backbone',
    'count_processes',
    'make_restartable',
    'match_accumulation',
    'match_channels',
    'read_config',
    'set_precision',
    'wait_for_own_second',
    'write_scores_once',
]

#: Parts of the engine that cannot be killed without loss, and ours of the same options.
_RESTARTABLE = {
    'CheckpointHook': 'swimdiff.AtomicCheckpointHook',
    'EpochBasedTrainLoop': 'swimdiff.ResumableEpochLoop',
    'IterBasedTrainLoop': 'swimdiff.ResumableIterLoop',
}

#: Seconds in which runs of this process began, as the engine writes them.
_SECONDS: set[str] = set()


def set_precision(cfg: Config, dtype: str) -> None:
    """Train in mixed precision.

    float16 needs loss scaling, which the engine has for GPUs only; bfloat16 needs none and works
    wherever torch does.

    Args:
        cfg (Config): The config of the run, changed in place.
        dtype (str): 'float16' or 'bfloat16'.

    Raises:
        ConfigError: If float16 is asked for where there is no GPU.
    """
    wrapper = cfg.optim_wrapper
    if dtype == 'bfloat16':
        wrapper.type = 'swimdiff.AutocastOptimWrapper'
        for option in ('dtype', 'loss_scale'):
            wrapper.pop(option, None)
        return
    if not torch.cuda.is_available():
        raise ConfigError(
            '--amp float16 needs a GPU and torch sees none (`python -m swimdiff.doctor` says what '
            'it sees); take --amp bfloat16, or leave --amp away'
        )
    wrapper.type = 'AmpOptimWrapper'
    wrapper.dtype = dtype
    wrapper.setdefault('loss_scale', 'dynamic')


def match_accumulation(cfg: Config) -> None:
    """Move the key encoder once per optimiser step, also with accumulation.

    Args:
        cfg (Config): The config of the run, changed in place; a momentum encoder that states its
            ``interval`` keeps it.
    """
    counts = (cfg.get('optim_wrapper') or {}).get('accumulative_counts', 1)
    momentum = (cfg.get('model') or {}).get('momentum_encoder')
    if momentum and counts > 1:
        momentum.setdefault('interval', counts)


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


def count_processes(launcher: str) -> int:
    """Return how many processes a launcher has started, before they are joined.

    Args:
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi', as the engine knows them.
    """
    names = dict(pytorch='WORLD_SIZE', slurm='SLURM_NTASKS', mpi='OMPI_COMM_WORLD_SIZE')
    return int(os.environ.get(names.get(launcher, ''), 1))


class QuietRunner(Runner):
    """Run trainings as the engine does, with a quiet log."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the log of the run."""
        logger = super().build_logger(*args, **kwargs)
        quiet_logger(logger)
        return logger


class QuietFlexibleRunner(FlexibleRunner):
    """Run the engine's runner with strategies, with the same log."""

    def build_strategy(self, *args: Any, **kwargs: Any) -> BaseStrategy:
        """Build the strategy, which opens the log of the run."""
        strategy = super().build_strategy(*args, **kwargs)
        quiet_logger(strategy.logger)
        return strategy


def build_runner(cfg: Config) -> Runner | FlexibleRunner:
    """Build the engine's runner, with strategies where the config names one.

    Args:
        cfg (Config): The config of the run.

    Raises:
        ConfigError: There is no such backbone.
    """
    check_backbone(cfg)
    _fit_loaders(cfg)
    wait_for_own_second()
    # The one with strategies takes 'auto' for the name of a file, unless settle_resume has chosen
    # one before.
    kind = QuietFlexibleRunner if cfg.get('strategy') else QuietRunner
    runner: Runner | FlexibleRunner = kind.from_cfg(cfg)
    _SECONDS.add(runner.timestamp)
    write_scores_once(runner)
    return runner


def _fit_loaders(cfg: Config) -> None:
    """Leave out what torch refuses of a loader without workers, so that num_workers=0 is enough."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader and loader.get('num_workers') == 0:
            loader.pop('persistent_workers', None)
            loader.pop('prefetch_factor', None)


def wait_for_own_second() -> None:
    """Wait for a second in which no other run of this process began.

    The engine names logger, scalars and pictures of a run after the config and the second: two runs
    of one process that begin in one second would write into the folder of the first.
    """
    while time.strftime('%Y%m%d_%H%M%S') in _SECONDS:
        time.sleep(0.02)


def write_scores_once(runner: Runner | FlexibleRunner) -> None:
    """Let the first process alone write the JSON file of a test.

    The engine's logger writes it from every process, all of them into one file: a line of another
    length leaves a tail behind, and the file is no JSON any more.

    Args:
        runner (Runner): With its hooks registered.
    """
    if is_main_process():
        return
    for hook in runner.hooks:
        if isinstance(hook, LoggerHook):
            vars(hook)['after_test_epoch'] = lambda runner, metrics=None: None


def make_restartable(cfg: Config) -> list[str]:
    """Let a run be killed, stopped and gone on with, if the config leaves it open.

    A config that names no checkpoint hook and no class of its training loop gets ours; one that
    names the engine's keeps them. Signals end the run with its state saved.

    Args:
        cfg (Config): The config of the run, changed in place.

    Returns:
        list[str]: What the config names that loses work when the run is killed, one line each.
    """
    hooks = cfg.setdefault('default_hooks', Config())
    hooks.setdefault('checkpoint', dict(type='swimdiff.AtomicCheckpointHook', interval=1))
    hooks.setdefault('stop', dict(type='swimdiff.StopSignalHook'))
    loop = cfg.get('train_cfg')
    if loop and 'by_epoch' in loop:
        kind = 'ResumableEpochLoop' if loop.pop('by_epoch') else 'ResumableIterLoop'
        loop.type = f'swimdiff.{kind}'
    lines = []
    for place, part in (('default_hooks.checkpoint', hooks.checkpoint), ('train_cfg', loop)):
        name = str(part.get('type', '')).removeprefix('mmengine.') if part else ''
        if name in _RESTARTABLE:
            lines.append(
                f"{place}.type={name!r} is the engine's: work is lost when the run is killed. "
                f'{_RESTARTABLE[name]!r} takes the same options and goes on exactly.'
            )
    return lines


def settle_resume(runner: Runner | FlexibleRunner) -> None:
    """Let the checkpoint hook choose what to go on from, before training starts.

    The runner with strategies loads before it calls hooks.

    Args:
        runner (Runner): With its hooks registered.
    """
    for hook in runner.hooks:
        if hasattr(hook, 'settle'):
            hook.settle(runner)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every run: options of the config, and launcher."""
    parser.add_argument('--work-dir', help='where logs, checkpoints and scores go')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        help='override options of the config, key=value; lists as key="[a,b]" or key=a,b',
    )
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='run code that a checkpoint holds; without this, such a file is refused',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torchrun sets the environment variable; torch.distributed.launch passes the flag.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def read_config(args: argparse.Namespace) -> Config:
    """Read a run's config and merge the arguments of :func:`add_run_arguments`.

    Args:
        args (argparse.Namespace): With ``config`` and what :func:`add_run_arguments` added.

    Raises:
        ConfigError: If there is no such config, or an option's name is misspelt.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    guard_engine()
    start_quietly()
    trust_checkpoints(args.trust_checkpoint)
    path = find_config(args.config)
    cfg = read_config_file(path)
    check_config_keys(cfg, args.cfg_options or {})
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / path.stem)
    channel_note = match_channels(cfg)
    if channel_note and os.environ.get('RANK', '0') == '0':
        print(channel_note, flush=True)
    return cfg


def _find_backbones(model: Any, place: str = 'model') -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the backbones of a model's config, with their dotted places."""
    backbone = model.get('backbone') if isinstance(model, dict) else None
    if isinstance(backbone, dict):
        yield f'{place}.backbone', backbone
        yield from _find_backbones(backbone, f'{place}.backbone')


def match_channels(cfg: Config) -> str | None:
    """Take the channels of the backbone from the bands of the preprocessor.

    Args:
        cfg (Config): The config of a run, changed in place.

    Returns:
        str: What was changed; None where they agree or one of the two is not said.
    """
    model = cfg.get('model') or {}
    preprocessor = model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    bands = preprocessor.get('bands')
    if not bands:
        return None
    for place, backbone in _find_backbones(model):
        channels = backbone.get('in_channels')
        if channels is not None and channels != len(bands):
            backbone['in_channels'] = len(bands)
            return f'{place}.in_channels: {channels} -> {len(bands)}, the bands {" ".join(bands)}'
    return None


def check_backbone(cfg: Config) -> None:
    """Refuse a backbone that no registry has, and name the nearest.

    Args:
        cfg (Config): The config of a run; looked at where its default scope is ours.

    Raises:
        ConfigError: There is no such backbone.
    """
    if cfg.get('default_scope') != SCOPE:
        return
    for place, backbone in _find_backbones(cfg.get('model')):
        kind = backbone.get('type')
        if not isinstance(kind, str) or backbone.get('_scope_', SCOPE) != SCOPE:
            continue
        with contextlib.suppress(KeyError, ImportError):
            if MODELS.get(kind) is not None:
                continue
        near = _find_near(kind)
        nearest = f'Nearest: {", ".join(near)}. ' if near else ''
        raise ConfigError(
            f'{place}.type={kind!r}: there is no such model. {nearest}Backbones of mmpretrain are '
            "named with its prefix, for example type='mmpretrain.ResNet'."
        )


def _find_near(kind: str) -> list[str]:
    """Models of all registries with a name like this one, ours without a prefix."""
    known_names: dict[str, str] = {}
    for scope in ('mmseg', 'mmpretrain'):
        with contextlib.suppress(ImportError):
            registry = importlib.import_module(f'{scope}.registry').MODELS
            registry.import_from_location()
            known_names.update({name.lower(): f'{scope}.{name}' for name in registry.module_dict})
    known_names.update({name.lower(): name for name in MODELS.module_dict})
    wanted_name = kind.rsplit('.', 1)[-1].lower()
    return [
        known_names[hit]
        for hit in difflib.get_close_matches(wanted_name, known_names, n=3, cutoff=0.6)
    ]

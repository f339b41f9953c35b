"""Counting a config by iterations, so that a budget in images can be kept to the batch."""

from typing import Any

from mmengine.config import Config

from swimdiff.errors import ConfigError

__all__ = ['count_by_iterations']

#: Options of a scheduler that are points in time, in its own unit.
_TIMES = ('begin', 'end', 'T_max', 'milestones', 'step_size', 'total_steps')


def count_by_iterations(cfg: Config, max_iters: int) -> None:
    """Let a pre-training config run for a number of iterations.

    Schedules that count in the unit of the config's own loop (epochs, mostly) are stretched to the
    new length. Those that count iterations in a config of epochs, a warm-up for example, stay as
    they are. The log, checkpoints and guards count iterations, too; validation, the probe while
    training and the report are left out, as a study measures after it.

    Args:
        cfg (Config): Changed in place.
        max_iters (int): Length of the run, 1 or more.

    Raises:
        ConfigError: A schedule does not fit into the run.
    """
    loop = cfg.get('train_cfg') or {}
    by_epoch = 'max_epochs' in loop
    length = loop.get('max_epochs') or loop.get('max_iters') or max_iters
    schedulers = cfg.get('param_scheduler') or []
    schedulers = [schedulers] if isinstance(schedulers, dict) else schedulers
    cfg.param_scheduler = [
        _convert_scheduler(dict(entry), by_epoch, length, max_iters) for entry in schedulers
    ]
    cfg.train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters)
    for part in ('val', 'test'):
        for option in ('dataloader', 'cfg', 'evaluator'):
            cfg.pop(f'{part}_{option}', None)
    _adapt_hooks(cfg, max_iters)


def _convert_scheduler(
    entry: dict[str, Any], by_epoch: bool, length: int, max_iters: int
) -> dict[str, Any]:
    entry.pop('convert_to_iter_based', None)
    in_own_unit = entry.get('by_epoch', True) is by_epoch
    entry['by_epoch'] = False
    for option in _TIMES:
        value = entry.get(option)
        if value is None or not in_own_unit:
            continue
        several = isinstance(value, list | tuple)
        stretched_values = [
            round(one * max_iters / length) for one in (value if several else [value])
        ]
        # A step of 0 iterations is none.
        lowest = 0 if option == 'begin' else 1
        stretched_values = [max(lowest, one) for one in stretched_values]
        entry[option] = stretched_values if several else stretched_values[0]
    last = entry.get('end', 0)
    if last > max_iters:
        raise ConfigError(
            f'param_scheduler: {entry["type"]} ends at iteration {last}, but the budget gives '
            f'{max_iters}. Override param_scheduler in the plan, or take more images.'
        )
    return entry


def _adapt_hooks(cfg: Config, max_iters: int) -> None:
    hooks = cfg.setdefault('default_hooks', {})
    hooks.pop('report', None)
    logger = hooks.setdefault('logger', dict(type='LoggerHook', interval=50))
    # At least twenty points a run, whatever its length.
    logger['interval'] = max(1, min(logger.get('interval', 50), max_iters // 20))
    logger['log_metric_by_epoch'] = False
    checkpoint = dict(hooks.get('checkpoint') or {}, by_epoch=False, max_keep_ckpts=1)
    checkpoint.update(type='AtomicCheckpointHook', interval=max(1, max_iters // 10))
    hooks['checkpoint'] = checkpoint
    processor = dict(cfg.get('log_processor') or {})
    processor.update(by_epoch=False, window_size=logger['interval'])
    cfg.log_processor = processor
    # Only the JSON log is read.
    cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
    cfg.custom_hooks = [
        hook for hook in cfg.get('custom_hooks') or [] if 'OnlineKNNHook' not in str(hook['type'])
    ]

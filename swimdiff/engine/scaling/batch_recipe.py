"""What of a recipe depends on the batch: learning rate, key encoder and queue, scaled together.

A config states the values for one global batch, ``auto_scale_lr.base_batch_size``. At another
batch B' instead of B_0 the learning rate is wrong, and so is the pace of the key encoder: while a
key stays in a queue of K, the encoder is updated K / B' times and becomes another one by

    change = 1 - m^(K / B')

With m = 0.999 and K = 16,384 that is 6 % at batch 256 and 40 % at batch 32. The scaled recipe:

    lr'  = lr B' / B_0                        linear (Goyal et al., arXiv 1706.02677)
    K'   = min(K, N / 2)                      N samples; then whole batches, at least one
    m'   = m^((K / B_0) / (K' / B'))          so that the change is that of the recipe

The last line is (1 - m') K' / B' = (1 - m) K / B_0 without its error of second order; unlike that
one it never leaves [0, 1]. Where K' = K it is m^(B' / B_0), the rule of Busbridge et al. (arXiv
2307.13813). The bound of the queue is ours (reconstruction): a plain shuffle puts a key of the
query's own image, of the epoch before, among the negatives of a share (K / N)^2 / 2 of the
queries; at half of the samples that is one query in eight.
"""

from dataclasses import dataclass, replace
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from swimdiff.errors import ConfigError
from swimdiff.registry import DATASETS, HOOKS

__all__ = [
    'BatchRecipe',
    'BatchRecipeHook',
    'describe_long_queue',
    'describe_mismatch',
    'global_batch_of',
    'read_recipe',
    'scale_recipe',
]

#: Largest part of the samples that the queue of a scaled recipe holds keys of.
QUEUE_SHARE = 0.5


@dataclass(frozen=True)
class BatchRecipe:
    """Describe the values of a recipe that belong to its batch.

    Args:
        batch (float): Images of one optimiser step, over all processes and accumulated batches.
        lr (float): Learning rate.
        momentum (float, optional): m of the key encoder, in [0, 1]. Defaults to None, there is no
            key encoder with a queue.
        queue (int): K, the keys of the queue. Defaults to 0.
        updates (float): Updates of the key encoder in one optimiser step. Defaults to 1.
    """

    batch: float
    lr: float
    momentum: float | None = None
    queue: int = 0
    updates: float = 1.0

    @property
    def change(self) -> float:
        """Return the part of the key encoder replaced while a key stays queued.

        It is in [0, 1].

        Raises:
            ConfigError: The recipe has no key encoder.
        """
        if self.momentum is None:
            raise ConfigError('BatchRecipe: there is no key encoder with a queue to speak of')
        return 1 - self.momentum ** (self.updates * self.queue / self.batch)

    def run_at(self, batch: float, updates: float = 1.0) -> 'BatchRecipe':
        """Return the same values at another batch, which is what runs if not scaled.

        Args:
            batch: Images of one optimiser step.
            updates: Updates of the key encoder in one optimiser step.
        """
        return replace(self, batch=batch, updates=updates)

    def scale_to(
        self, batch: float, samples: int | None = None, updates: float = 1.0
    ) -> 'BatchRecipe':
        """Scale all values to another batch, see the formulas of the module.

        Args:
            batch (float): Images of one optimiser step that is to run.
            samples (int, optional): N, the samples of an epoch, which bound the queue. Defaults to
                None, the queue is kept.
            updates (float): Updates of the key encoder in one step that is to run. Defaults to 1.
        """
        scaled_recipe = replace(self.run_at(batch, updates), lr=self.lr * batch / self.batch)
        if self.momentum is None:
            return scaled_recipe
        queue = self.queue
        if samples is not None and queue > QUEUE_SHARE * samples:
            whole = int(min(queue, QUEUE_SHARE * samples) // batch)
            queue = int(max(1, whole) * batch)
        steps_now = updates * queue / batch
        steps_then = self.updates * self.queue / self.batch
        return replace(
            scaled_recipe, queue=queue, momentum=self.momentum ** (steps_then / steps_now)
        )


def _find_key_encoder(model: dict) -> tuple[float, int] | None:
    """Momentum and queue of the config of a model; None without a queue of keys."""
    if model.get('momentum_encoder') and model.get('queue'):
        return model['momentum_encoder'].get('momentum', 0.999), model['queue'].get('length', 16384)
    if str(model.get('type', '')).rsplit('.', 1)[-1] == 'MoCo':  # the engine's counts 1 - m
        return 1 - model.get('momentum', 0.001), model.get('queue_len', 65536)
    return None


def _write_key_encoder(model: dict, momentum: float, queue: int) -> None:
    """Set momentum and queue where :func:`_find_key_encoder` reads them."""
    if model.get('momentum_encoder'):
        model['momentum_encoder']['momentum'] = momentum
        model['queue']['length'] = queue
    else:
        model['momentum'], model['queue_len'] = 1 - momentum, queue


def read_recipe(cfg: Config) -> BatchRecipe | None:
    """Read what a config states for its own batch.

    Args:
        cfg (Config): The config of a run.

    Returns:
        BatchRecipe: None where the config states no ``auto_scale_lr.base_batch_size`` or no
        learning rate.
    """
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    lr = ((cfg.get('optim_wrapper') or {}).get('optimizer') or {}).get('lr')
    if not base or lr is None:
        return None
    momentum, queue = _find_key_encoder(cfg.get('model') or {}) or (None, 0)
    return BatchRecipe(base, lr, momentum, queue)


def _accumulated(cfg: Config) -> int:
    return (cfg.get('optim_wrapper') or {}).get('accumulative_counts', 1)


def _updates(cfg: Config) -> float:
    """Updates of the key encoder in one optimiser step; ours may wait for the step."""
    encoder = (cfg.get('model') or {}).get('momentum_encoder') or {}
    return _accumulated(cfg) / encoder.get('interval', 1)


def global_batch_of(cfg: Config, processes: int) -> int:
    """Return the images of one optimiser step, over processes and accumulation.

    Args:
        cfg: Config of a run.
        processes: Number of processes.
    """
    return processes * cfg.train_dataloader.get('batch_size', 1) * _accumulated(cfg)


def scale_recipe(cfg: Config, processes: int, rate_alone: bool = False) -> str:
    """Scale learning rate, key encoder and queue of a config to the batch that runs.

    The data set is built once for its length where there is a queue to bound. The engine's own
    scaling of the rate does not count accumulated batches, hence ``rate_alone``.

    Args:
        cfg (Config): The config of a run, changed in place: afterwards its base batch is the one
            that runs.
        processes (int): Processes of the run.
        rate_alone (bool): Scale the learning rate and nothing else. Defaults to False.

    Returns:
        str: What was changed, in words.

    Raises:
        ConfigError: The config states no base batch or no learning rate.
    """
    recipe, batch = read_recipe(cfg), global_batch_of(cfg, processes)
    if recipe is None:
        raise ConfigError(
            'This config cannot be scaled to a batch: expected auto_scale_lr.base_batch_size and '
            f'optim_wrapper.optimizer.lr, found auto_scale_lr={cfg.get("auto_scale_lr")}. Say '
            'which batch its values are for: --cfg-options auto_scale_lr.base_batch_size=256'
        )
    if rate_alone:
        recipe = BatchRecipe(recipe.batch, recipe.lr)
    samples = None
    if recipe.momentum is not None:
        init_default_scope(cfg.get('default_scope', 'swimdiff'))
        samples = len(DATASETS.build(cfg.train_dataloader.dataset))
    scaled_recipe = recipe.scale_to(batch, samples, _updates(cfg))
    cfg.optim_wrapper.optimizer.lr = scaled_recipe.lr
    cfg.auto_scale_lr = dict(base_batch_size=batch)
    text = (
        f'batch {recipe.batch:,} -> {batch:,}: '
        f'learning rate {recipe.lr:.3g} -> {scaled_recipe.lr:.3g}'
    )
    if scaled_recipe.momentum is not None:
        _write_key_encoder(cfg.model, scaled_recipe.momentum, scaled_recipe.queue)
        text += (
            f', momentum of the key encoder {recipe.momentum:.6g} -> {scaled_recipe.momentum:.6g}, '
            f'queue {recipe.queue:,} -> {scaled_recipe.queue:,}'
        )
    return text


def describe_mismatch(cfg: Config, processes: int, samples: int, factor: float = 2.0) -> str | None:
    """Say what does not fit where the batch that runs is not the one of the recipe.

    Args:
        cfg (Config): The config of a run.
        processes (int): Processes of the run.
        samples (int): N, the samples of an epoch.
        factor (float): Ratio of the batches up to which nothing is said. Defaults to 2.

    Returns:
        str: One line, or None where the batches agree or the config states no batch.
    """
    recipe = read_recipe(cfg)
    if recipe is None:
        return None
    batch = global_batch_of(cfg, processes)
    if 1 / factor <= batch / recipe.batch <= factor:
        return None
    now = recipe.run_at(batch, _updates(cfg))
    scaled_recipe = recipe.scale_to(batch, samples, _updates(cfg))
    text = (
        f'The values of this config are for batch {recipe.batch:,}; {batch:,} runs (processes x '
        f'train_dataloader.batch_size x accumulative_counts = {processes} x '
        f'{cfg.train_dataloader.get("batch_size", 1)} x {_accumulated(cfg)}). '
        f'(1) Learning rate: {now.lr:.3g}; for this batch {scaled_recipe.lr:.3g}. '
    )
    result = f'learning rate {scaled_recipe.lr:.3g}'
    if recipe.momentum is not None:
        text += (
            f'(2) Key encoder: it changes by {now.change:.0%} while a key stays in the queue; in '
            f'the recipe by {recipe.change:.0%}. '
            f'(3) Queue: {now.queue:,} keys are {now.queue / samples:.3g} epochs of the '
            f'{samples:,} samples. '
        )
        result += f', momentum {scaled_recipe.momentum:.6g}, queue {scaled_recipe.queue:,}'
    return text + (
        f'Nothing was changed. tools/train.py --scale-recipe scales all of it ({result}), '
        '--auto-scale-lr the learning rate alone; where the values are meant for this batch, set '
        f'auto_scale_lr.base_batch_size={batch}'
    )


def describe_long_queue(cfg: Config, samples: int, copies: float = 4.0) -> str | None:
    """Say where the queue of keys is longer than the data.

    Args:
        cfg (Config): The config of a run.
        samples (int): N, the samples of an epoch.
        copies (float): Keys of one sample in the queue up to which nothing is said. Defaults to 4.

    Returns:
        str: One line, or None where the queue is shorter or there is none.
    """
    _, queue = _find_key_encoder(cfg.get('model') or {}) or (None, 0)
    if not samples or queue <= copies * samples:
        return None
    fits = max(1, int(QUEUE_SHARE * samples))
    return (
        f'The queue of {queue:,} keys is longer than the data: each of the {samples:,} samples is '
        f'in it {queue / samples:.3g} times, so that a query meets old keys of its own image as '
        f'negatives or mates. Shorten it (--cfg-options model.queue.length={fits}), or let '
        'tools/train.py --scale-recipe do it, which lets the key encoder follow'
    )


@HOOKS.register_module()
class BatchRecipeHook(Hook):
    """Warn once, before training, where batch or queue do not fit config or data.

    Of the batch where it is not the one that the config is written for.

    Silent where the config states no ``auto_scale_lr.base_batch_size``, and after
    ``--scale-recipe`` or ``--auto-scale-lr`` of ``tools/train.py``.

    Example of a config::

        default_hooks = dict(batch_recipe=dict(type='BatchRecipeHook', factor=2.0))

    Args:
        factor (float): Ratio of the two batches, either way, up to which it is silent; at least 1.
            Defaults to 2.
        copies (float): Keys of one sample in the queue up to which it is silent. Defaults to 4: a
            few epochs of a small data set are usual, a hundred are a mistake.

    Raises:
        ConfigError: The factor is below 1, or ``copies`` not positive.
    """

    priority = 'VERY_HIGH'

    def __init__(self, factor: float = 2.0, copies: float = 4.0) -> None:
        if factor < 1:
            raise ConfigError(f'BatchRecipeHook: factor must be at least 1, got {factor}')
        if copies <= 0:
            raise ConfigError(f'BatchRecipeHook: copies must be above 0, got {copies}')
        self.factor, self.copies = factor, copies

    def before_train(self, runner: Runner) -> None:
        """Compare the batch that runs with the one of the config."""
        loader: Any = runner.train_dataloader
        if (runner.cfg.get('auto_scale_lr') or {}).get('enable', False):
            return  # the engine scales the rate of a config that says so itself
        samples = len(loader.dataset)
        # The first names the queue as well.
        warning = describe_mismatch(runner.cfg, get_world_size(), samples, self.factor)
        warning = warning or describe_long_queue(runner.cfg, samples, self.copies)
        if warning:
            runner.logger.warning(warning)

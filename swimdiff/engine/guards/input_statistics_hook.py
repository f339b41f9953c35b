"""Writing the statistics of the images into every checkpoint."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.bands import ProductStats, stats_to_mapping
from swimdiff.engine.guards.guard import bare_model
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.registry import HOOKS
from swimdiff.weights.input_statistics import META_KEY, UNSTRETCHED, combine_statistics

__all__ = ['InputStatisticsHook']

_SPREAD = ('mean', 'std')


def _inner(dataset: Any) -> Any:
    """The first data set inside those that wrap others."""
    while True:
        parts = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
        if parts[0] is None:
            return dataset
        dataset = parts[0]


def measure_run(runner: Runner) -> ProductStats | None:
    """Return the statistics that images of a run are stretched and standardised by.

    Args:
        runner (Runner): With its model and training data built.

    Returns:
        ProductStats: None where the preprocessor knows no bands by name.
    """
    preprocessor = getattr(bare_model(runner), 'data_preprocessor', None)
    loader: Any = runner.train_dataloader
    if not isinstance(preprocessor, MultiBandPreprocessor) or isinstance(loader, dict):
        return None
    bands, table = preprocessor.bands, preprocessor.stats
    mean, std = (
        dict(zip(bands, getattr(preprocessor, name).flatten().tolist(), strict=True))
        for name in ('mean', 'std')
    )
    # Data sets that do not say what they stretch with have the statistics of the preprocessor.
    stretch: ProductStats | None = getattr(_inner(loader.dataset), 'stats', table)
    unit = UNSTRETCHED
    if stretch is None and table is not None:
        plain = all(table.low[band] == 0 and table.high[band] == 255 for band in bands)
        unit = table.unit if plain else UNSTRETCHED
    return combine_statistics(bands, stretch, mean, std, unit)


@HOOKS.register_module()
class InputStatisticsHook(Hook):
    """Write stretch, mean and deviation by band into ``meta['input_statistics']``.

    Downstream models take them from there, see :mod:`swimdiff.weights.input_statistics`.
    Warns once, before training, where one table stretches the images and another standardises them.

    Example of a config::

        default_hooks = dict(input_statistics=dict(type='InputStatisticsHook'))
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the stretch of the data set with what the preprocessor expects."""
        preprocessor = getattr(bare_model(runner), 'data_preprocessor', None)
        loader: Any = runner.train_dataloader
        stretch = getattr(_inner(loader.dataset), 'stats', None)
        if not isinstance(preprocessor, MultiBandPreprocessor):
            return
        table, bands = preprocessor.stats, preprocessor.bands
        if stretch is None or table is None or any(band not in stretch.mean for band in bands):
            return
        if any(stretch.select(name, bands) != table.select(name, bands) for name in _SPREAD):
            runner.logger.warning(
                f'Images are stretched with the statistics {stretch.name!r} and standardised with '
                f'those of {table.name!r}. Give the preprocessor those of the data set: '
                f'--cfg-options data_preprocessor.stats={stretch.name}'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the statistics that the images of this run have."""
        stats = measure_run(runner)
        if stats is not None:
            checkpoint.setdefault('meta', {})[META_KEY] = stats_to_mapping(stats, stats.low)

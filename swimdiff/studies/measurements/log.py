"""What the log of a training says at its end."""

from collections.abc import Sequence

import numpy as np

from swimdiff.errors import ConfigError
from swimdiff.registry import MEASUREMENTS
from swimdiff.studies.measurements.base import Measurement, Subject
from swimdiff.visualization.report.record import read_run

__all__ = ['LogMeasurement']


@MEASUREMENTS.register_module()
class LogMeasurement(Measurement):
    """Take means of logged scalars over the end of a run, and its time.

    ``images_per_s`` is the median over the run, ``minutes`` the time of its iterations, loading
    included. A key that a run has not logged is left out: variants of one study log different
    things.

    .. code:: python

        dict(type='LogMeasurement', name='log', keys=('loss', 'scene_mates', 'feature_std'))

    Args:
        keys (Sequence[str]): Names of scalars; one that ends in ``*`` takes all that start so.
            Defaults to ``('loss*',)``.
        window (float): Share of the run to average over, at its end, above 0 up to 1. Defaults to
            0.1.

    Raises:
        ConfigError: The window is out of range.
    """

    def __init__(self, keys: Sequence[str] = ('loss*',), window: float = 0.1) -> None:
        if not 0 < window <= 1:
            raise ConfigError(f'LogMeasurement: window={window}; expected a share above 0 up to 1.')
        self.keys, self.window = tuple(keys), window

    def measure(self, subject: Subject) -> dict[str, float]:
        """Read the log of a cell, see :class:`Measurement`."""
        curves = read_run(subject.run_dir).train
        iterations = subject.config.train_cfg.max_iters
        means = {}
        for key in self.keys:
            names = [name for name in curves if name.startswith(key[:-1])]
            for name in names if key.endswith('*') else [key] * (key in curves):
                steps, values = curves[name].steps, curves[name].values
                late = values[steps > iterations * (1 - self.window)]
                means[name] = float(np.mean(late if len(late) else values[-1:]))
        if 'images_per_s' in curves:
            means['images_per_s'] = float(np.median(curves['images_per_s'].values))
        if 'time' in curves:  # seconds of an iteration, a mean over the interval of the log
            means['minutes'] = float(np.mean(curves['time'].values)) * iterations / 60
        return means

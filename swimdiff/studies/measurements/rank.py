"""How many dimensions the features of a backbone use."""

from collections.abc import Sequence
from typing import Any

from swimdiff.errors import ConfigError
from swimdiff.evaluation.labelled_images import LabelledImages
from swimdiff.evaluation.spread import embedding_spread
from swimdiff.registry import MEASUREMENTS
from swimdiff.studies.measurements.base import Measurement, Subject, add_resize

__all__ = ['RankMeasurement']


@MEASUREMENTS.register_module()
class RankMeasurement(Measurement):
    """Measure ``rank``, ``std`` and ``cosine`` of the backbone's features.

    See :func:`swimdiff.evaluation.spread.embedding_spread`: the effective rank, the mean standard
    deviation over dimensions (1 when spread evenly, 0 when collapsed) and the mean cosine of two
    different features. Floor: the backbone with random weights.

    .. code:: python

        dict(
            type='RankMeasurement',
            name='spread',
            dataset=dict(
                type='EuroSAT',
                data_root='data/eurosat',
                pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
            ),
            limit=2000,
        )

    Args:
        dataset (dict): A data set of single labels (which are not used) without ``split``, whose
            pipeline ends in ``mmpretrain.PackInputs``.
        split (str): The part. Defaults to ``train``.
        size (int, optional): Height and width that images are resized to, in pixels. Defaults to
            None, as they are.
        limit (int, optional): Images to use, a stratified subset. Defaults to 2000.
        bands (Sequence[str], optional): Bands of the images. Defaults to None, those that the cell
            was trained on.
        stats (str, optional): Name of the statistics to standardise with. Defaults to None, those
            that the cell was trained with.
        batch_size (int): Images at once. Defaults to 256.

    Raises:
        ConfigError: ``limit`` is below 2.
    """

    kinds = ('trained', 'random')

    def __init__(
        self,
        dataset: dict[str, Any],
        split: str = 'train',
        size: int | None = None,
        limit: int | None = 2000,
        bands: Sequence[str] | None = None,
        stats: str | None = None,
        batch_size: int = 256,
    ) -> None:
        if limit is not None and limit < 2:
            raise ConfigError(f'RankMeasurement: limit={limit}; expected 2 images or more.')
        self.dataset, self.split, self.limit = add_resize(dataset, size), split, limit
        self.bands, self.stats, self.batch_size = bands, stats, batch_size
        self._images: dict[tuple[str, ...], LabelledImages] = {}

    def measure(self, subject: Subject) -> dict[str, float]:
        """Measure the spread of a cell's features, see :class:`Measurement`."""
        bands = tuple(self.bands or subject.bands)
        if bands not in self._images:  # read once for all cells
            dataset = {'bands': bands, **self.dataset}
            self._images[bands] = LabelledImages(dataset, self.split, self.limit, self.batch_size)
        features = self._images[bands].features(subject.build_features(bands, self.stats))
        spread = embedding_spread(features)
        return dict(rank=spread.rank, std=spread.std, cosine=spread.cosine)

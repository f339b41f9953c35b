"""The table of the offline probe: its lines, and all that must be known to compare them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

from mmengine.dataset import BaseDataset

from swimdiff.evaluation.features import targets_of
from swimdiff.evaluation.linear_probe import choose_score

__all__ = ['Row', 'spread', 'table']


@dataclass
class Row:
    """Hold one line of the table.

    Args:
        features: What the features come from.
        dim: Length of a feature.
        knn: Test score of each seed.
        linear: Test score of each seed.
        chosen: What validation chose for each seed.
    """

    features: str
    dim: int = 0
    knn: list[float] = field(default_factory=list)
    linear: list[float] = field(default_factory=list)
    chosen: list[dict] = field(default_factory=list)


def spread(values: list[float]) -> str:
    """Return mean and standard deviation over the seeds."""
    if len(values) == 1:
        return f'{values[0]:.2f}'
    return f'{mean(values):.2f} +- {stdev(values):.2f}'


def table(options: Mapping[str, Any], rows: list[Row], parts: Mapping[str, BaseDataset]) -> str:
    """Return the scores, with all that has to be known to compare them.

    Args:
        options: ``bands``, ``size``, ``limit``, ``seeds``, ``k`` and ``temperature`` of the probe.
        rows: The lines.
        parts: Train, val and test of one seed.
    """
    meta = parts['test'].metainfo
    score, _ = choose_score(several=targets_of(parts['test']).ndim == 2)
    counts = ', '.join(f'{name} {len(part)}' for name, part in parts.items())
    subset_note = ', a subset drawn for each seed' if options['limit'] is not None else ''
    size = f'{options["size"]} px' if options['size'] else 'size as on disk'
    lines = [
        f'{meta["dataset_type"]}, bands {" ".join(options["bands"])}, {size}, '
        f'split {meta["split"].rsplit("/", 1)[0]}',
        f'images: {counts}{subset_note}; seeds {" ".join(map(str, options["seeds"]))}',
        f'test {score} in %, mean +- deviation over seeds where anything is '
        f'random; kNN k={options["k"]}, temperature {options["temperature"]}',
        '',
        f'{"features":<44} {"dim":>5}  {"kNN":<15} {"linear":<15} linear chose on validation',
    ]
    for row in rows:
        linear_options = row.chosen[0]['linear']
        scaling = 'standardised' if linear_options['standardise'] else 'one scale'
        lines.append(
            f'{row.features[-44:]:<44} {row.dim:>5}  {spread(row.knn):<15} '
            f'{spread(row.linear):<15} {scaling}, penalty {linear_options["penalty"]:g} '
            f'(val {linear_options["val"]:.2f})'
        )
    return '\n'.join(lines)

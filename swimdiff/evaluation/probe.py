"""The offline probe: choices by the validation part, scores on the test part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dataset import BaseDataset
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import (
    FeatureBank,
    NetworkFeatures,
    choose_stage,
    targets_of,
)
from swimdiff.evaluation.floors import random_backbone
from swimdiff.evaluation.knn import knn_scores
from swimdiff.evaluation.linear_probe import Scaler, choose_score, search_linear
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.registry import DATASETS
from swimdiff.weights.checkpoint import Checkpoint
from swimdiff.weights.pretrained import load_weights

__all__ = [
    'PARTS',
    'ProbeScores',
    'build_extractor',
    'build_parts',
    'draw_division',
    'score_features',
    'score_parts',
]

PARTS = ('train', 'val', 'test')

#: Features and targets of each part, by its name.
Parts = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class ProbeScores:
    """Hold what a probe found for one set of features.

    Args:
        dim: Length of a feature.
        knn: Score of the weighted kNN on the test part, in per cent.
        linear: Score of the linear probe on the test part, in per cent.
        chosen: What the validation part chose, with its scores there.
    """

    dim: int
    knn: float
    linear: float
    chosen: dict[str, Any]


def build_parts(
    dataset: Mapping[str, Any], limit: int | None = None, seed: int = 0
) -> dict[str, BaseDataset]:
    """Build train, val and test; with a limit each has its share of that many images.

    Args:
        dataset (Mapping): Config of a labelled data set without ``split``, such as ``EuroSAT``,
            whose pipeline ends in ``mmpretrain.PackInputs``.
        limit (int, optional): Images of all parts together, a stratified subset. Defaults to
            None, all.
        seed (int): Of the subset. Defaults to 0.
    """
    parts = {part: DATASETS.build(dict(dataset, split=part)) for part in PARTS}
    total = sum(map(len, parts.values()))
    if limit is None or limit >= total:
        return parts
    shares = {part: max(1, round(limit * len(whole) / total)) for part, whole in parts.items()}
    return {
        part: DATASETS.build(dict(dataset, split=part, limit=share, seed=seed))
        for part, share in shares.items()
    }


def build_extractor(
    backbone: Mapping[str, Any],
    preprocessor: MultiBandPreprocessor,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    prefix: str = 'backbone.',
    device: str = 'cpu',
    stage: int | None = None,
    pool: str = 'mean',
) -> tuple[NetworkFeatures, str]:
    """Build a backbone with random weights, or with those of a checkpoint.

    Args:
        backbone (Mapping): Config of the backbone; its channels follow the preprocessor's bands.
        preprocessor (MultiBandPreprocessor): Standardises the images.
        seed (int): Of the random weights. Defaults to 0.
        checkpoint (Checkpoint, optional): Where the weights come from. Defaults to None, random.
        prefix (str): Part of the checkpoint to take. Defaults to ``backbone.``.
        device (str): Where to compute. Defaults to ``cpu``.
        stage (int, optional): Stage of the backbone that gives the features, counted as its
            ``out_indices`` does. Defaults to None, as the config has it.
        pool (str): How a feature map becomes a vector, one of
            :data:`swimdiff.evaluation.features.POOLS`. Defaults to ``mean``.

    Returns:
        tuple: The extractor, and a line that says what was loaded ('' where nothing was).

    Raises:
        CheckpointError: The weights do not fit the backbone or the bands.
    """
    config = choose_stage(backbone, stage)
    stem = config.get('patch_cfg') or config  # the engine's masked ViT has its bands there
    if stem.get('in_channels', 3) != len(preprocessor.bands):
        config['in_channels'] = len(preprocessor.bands)
    network = random_backbone(config, seed)
    line = ''
    if checkpoint is not None:
        line = load_weights(network, checkpoint, prefix, bands=preprocessor.bands)
    return NetworkFeatures(network, preprocessor, device, pool), line


def score_features(
    bank: FeatureBank,
    parts: Mapping[str, BaseDataset],
    k: int = 20,
    temperature: float = 0.07,
) -> ProbeScores:
    """Score features by weighted kNN and a linear probe, see :func:`score_parts`.

    Args:
        bank (FeatureBank): Gives the features.
        parts (Mapping): ``train``, ``val`` and ``test``, see :func:`build_parts`.
        k (int): Neighbours. Defaults to 20.
        temperature (float): Of the votes, above 0. Defaults to 0.07.
    """
    data = {name: (bank(part), targets_of(part)) for name, part in parts.items()}
    return score_parts(data, len(parts['train'].metainfo['classes']), k, temperature)


def score_parts(
    data: Parts, num_classes: int, k: int = 20, temperature: float = 0.07
) -> ProbeScores:
    """Score features that are already computed.

    Scaling and penalty are chosen on the validation part; the test part is scored once with the
    choice.

    Args:
        data (Mapping): N x D features with N labels, or N x C of 0 and 1, of each part.
        num_classes (int): C.
        k (int): Neighbours. Defaults to 20.
        temperature (float): Of the votes, above 0. Defaults to 0.07.
    """
    train, val, test = data['train'], data['val'], data['test']
    _, score = choose_score(several=train[1].ndim == 2)

    def score_knn(scaler: Callable[[Tensor], Tensor], part: tuple[Tensor, Tensor]) -> float:
        votes = knn_scores(scaler(train[0]), train[1], scaler(part[0]), num_classes, k, temperature)
        return score(votes, part[1])

    scalers = {scaling: Scaler.fit(train[0], scaling) for scaling in (False, True)}
    by_val = {scaling: score_knn(scaler, val) for scaling, scaler in scalers.items()}
    standardise = by_val[True] > by_val[False]
    probe, linear_options = search_linear(train, val, num_classes, score)
    return ProbeScores(
        dim=train[0].shape[1],
        knn=score_knn(scalers[standardise], test),
        linear=score(probe(test[0]), test[1]),
        chosen=dict(
            linear=linear_options, knn=dict(standardise=standardise, val=by_val[standardise])
        ),
    )


def draw_division(data: Parts, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Divide the images of all parts at random, into parts as large per class.

    For images that are independent of each other: neighbours on the ground would fall on both
    sides.

    Args:
        data (Mapping): N x D features and N labels of each part.
        seed (int): Of the division.

    Raises:
        ConfigError: Images have several labels, which cannot be divided class by class.
    """
    features, targets = (torch.cat([part[i] for part in data.values()]) for i in range(2))
    if targets.ndim != 1:
        raise ConfigError(
            'Images with several labels cannot be divided again class by class; score the division '
            'of the data set alone: divisions=1.'
        )
    generator = torch.Generator().manual_seed(seed)
    rows_by_part: dict[str, list[Tensor]] = {name: [] for name in data}
    for label in targets.unique():
        rows = (targets == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        counts = [int((part[1] == label).sum()) for part in data.values()]
        for name, share in zip(data, rows.split(counts), strict=True):
            rows_by_part[name].append(share)
    order = {name: torch.cat(rows) for name, rows in rows_by_part.items()}
    return {name: (features[rows], targets[rows]) for name, rows in order.items()}

"""What a published file says about itself: read from the checkpoint that it was made from."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from swimdiff import __version__
from swimdiff.bands import (
    SENTINEL2,
    Band,
    ProductStats,
    canonical_bands,
    spell_bands,
    stats_to_mapping,
)
from swimdiff.errors import ConfigError
from swimdiff.weights.checkpoint import Checkpoint, parse_config_text
from swimdiff.weights.input_statistics import META_KEY, iterate_datasets, read_statistics

__all__ = [
    'ModelFacts',
    'hash_file',
    'list_provenance',
    'parse_scores',
    'read_data_names',
    'read_facts',
]


@dataclass(frozen=True)
class ModelFacts:
    """Describe what a user of a file has to know.

    Args:
        name: Name of the model: letters, digits, ``_``, ``.`` and ``-``.
        architecture: Network in words.
        task: ``features``, ``change`` or ``landcover``.
        bands: Bands of one date, in order; empty where the source does not say.
        stats: Stretch and standardisation of the images, None where it does not say.
        dates: Images that the network takes at once: 2 for change.
        resolution_m: Size of a pixel on the ground that it was trained with, in metres.
        data: What it was trained on.
        classes: Names of the classes, in order.
        scores: By name, with the name of the split in it.
        licence: Identifier of the licence of the weights (SPDX).
        parameters: Number of parameters.
        how_to: Lines of Python that load the file.
        notes: What else a user has to know.
        provenance: Text by key, see :func:`list_provenance`.
    """

    name: str
    architecture: str
    task: str
    bands: tuple[str, ...] = ()
    stats: ProductStats | None = None
    dates: int = 1
    resolution_m: float | None = None
    data: str = ''
    classes: tuple[str, ...] = ()
    scores: Mapping[str, str] = field(default_factory=dict)
    licence: str = ''
    parameters: int = 0
    how_to: str = ''
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    def find_band(self, name: str) -> Band | None:
        """Return wavelength and resolution of a band, where they are known."""
        own = self.stats.bands if self.stats else {}
        return own.get(name) or SENTINEL2.get(name)


def hash_file(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(Path(path).expanduser(), 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def parse_scores(given: Sequence[str]) -> dict[str, str]:
    """Split texts of the form NAME=VALUE.

    Args:
        given: For example ``EuroSAT test top-1=94.1``.

    Raises:
        ConfigError: A text has another form.
    """
    pairs = [text.rpartition('=')[::2] for text in given]
    for text, (name, value) in zip(given, pairs, strict=True):
        if not name or not value:
            raise ConfigError(
                f'--score {text!r}: expected NAME=VALUE with the name of the split, for example '
                '"EuroSAT test top-1=94.1".'
            )
    return dict(pairs)


def read_data_names(checkpoint: Checkpoint) -> str:
    """Return the data sets that a checkpoint was trained on, by type, or ''.

    Args:
        checkpoint: The source.
    """
    config = parse_config_text(str(checkpoint.meta.get('cfg', '')))
    loader = config.get('train_dataloader')
    dataset_config = loader.get('dataset') if isinstance(loader, dict) else None
    plain = [dict(part) for part in iterate_datasets(dataset_config) if 'data_root' in part]
    data_names = [' '.join(filter(None, [part['type'], part.get('split')])) for part in plain]
    return ', '.join(dict.fromkeys(data_names)) or str(checkpoint.meta.get('data', ''))


def _name_bands(
    checkpoint: Checkpoint, stats: ProductStats | None, given: Sequence[str] | None
) -> tuple[str, ...] | None:
    """Return the bands given by the user, else those of the file; None where neither says."""
    if not given:
        return checkpoint.bands
    return canonical_bands(given, (*(stats.low if stats else ()), *(checkpoint.bands or ())))


def list_provenance(
    checkpoint: Checkpoint, bands: Sequence[str] | None, more: Mapping[str, Any]
) -> dict[str, str]:
    """Return where weights come from, as text (safetensors holds nothing else).

    Args:
        checkpoint: The source.
        bands: Bands given by the user.
        more: Further entries; those that are None are left out.
    """
    stats = read_statistics(checkpoint)
    band_names = _name_bands(checkpoint, stats, bands)
    about: dict[str, object] = {
        'source': Path(checkpoint.path).name,
        'source_sha256': hash_file(checkpoint.path),
        'written_by': f'swimdiff {__version__}, torch {torch.__version__}',
        'bands': ','.join(band_names) if band_names else None,
        'stats': checkpoint.stats,
        META_KEY: json.dumps(stats_to_mapping(stats, stats.low)) if stats else None,
        'backbone': json.dumps(checkpoint.backbone) if checkpoint.backbone else None,
        'data': read_data_names(checkpoint) or None,
    }
    keys = ('epoch', 'iter', 'seed', 'experiment_name', 'mmengine_version')
    about |= {key: checkpoint.meta.get(key) for key in keys}
    if about['mmengine_version'] is not None:
        # The engine appends the commit of the folder in which the run was started.
        about['mmengine_version'] = re.sub('[0-9a-f]{40}$', '', str(about['mmengine_version']))
    about |= dict(more)
    return {key: str(value) for key, value in about.items() if value is not None}


def read_facts(
    checkpoint: Checkpoint, name: str, architecture: str, task: str, **known: Any
) -> ModelFacts:
    """Collect the facts of a checkpoint.

    Args:
        checkpoint: The source.
        name: Name of the model; what a name may not hold becomes ``-``.
        architecture: Network in words.
        task: See :class:`ModelFacts`.
        **known: Further fields of :class:`ModelFacts`; None for what the checkpoint says.
    """
    given_facts = {key: value for key, value in known.items() if value is not None}
    stats = given_facts.pop('stats', None) or read_statistics(checkpoint)
    bands = spell_bands(_name_bands(checkpoint, stats, given_facts.pop('bands', None)) or ())
    facts = ModelFacts(
        ''.join(letter if letter.isalnum() or letter in '_.-' else '-' for letter in name),
        architecture,
        task,
        bands,
        stats,
        **{'data': read_data_names(checkpoint), **given_facts},
    )
    band_facts = [facts.find_band(band) for band in bands]
    if facts.resolution_m is None and band_facts and all(band_facts):
        # Bands are brought to the grid of the finest.
        finest = min(band.resolution_m for band in band_facts if band)
        return ModelFacts(**{**vars(facts), 'resolution_m': float(finest)})
    return facts

"""Model cards: a STAC item with the Machine Learning Model extension, and a page of Markdown.

The item follows version 1.5.0 of the extension (https://github.com/stac-extensions/mlm).
"""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from swimdiff.bands import stats_to_mapping
from swimdiff.files import replace_text
from swimdiff.weights.converters.facts import ModelFacts, hash_file

__all__ = ['describe_as_stac', 'write_cards']

_MLM = 'https://stac-extensions.github.io/mlm/v1.5.0/schema.json'
_EXTENSIONS = (
    _MLM,
    'https://stac-extensions.github.io/file/v2.1.0/schema.json',
    'https://stac-extensions.github.io/eo/v2.0.0/schema.json',
)
#: The extension has no task for a network that gives features; they serve to find what is alike.
_TASKS = dict(
    features='similarity-search', change='semantic-segmentation', landcover='semantic-segmentation'
)
#: By suffix: framework, function that wrote it, media type.
_FORMATS = {
    '.pth': ('PyTorch', 'torch.save', 'application/octet-stream; framework=pytorch'),
    '.ckpt': ('PyTorch', 'torch.save', 'application/octet-stream; framework=pytorch'),
    '.safetensors': ('PyTorch', 'safetensors.torch.save_file', 'application/octet-stream'),
    '.onnx': ('ONNX', 'torch.onnx.export', 'application/octet-stream; framework=onnx'),
}
#: The stretch to 0..255 that comes before mean and deviation.
_STRETCH = 'floor(clip((x - low) / (high - low), 0, 1) * 255)'


def _describe_input(facts: ModelFacts) -> dict[str, Any]:
    bands = list(facts.bands) * facts.dates
    channels = len(bands) or -1
    model_input: dict[str, Any] = dict(
        name='image',
        bands=bands,
        input=dict(
            shape=[-1, channels, -1, -1],
            dim_order=['batch', 'bands', 'height', 'width'],
            data_type='float32',
        ),
    )
    if facts.dates > 1:
        model_input['description'] = (
            f'{facts.dates} dates of {len(facts.bands)} bands, one after the other.'
        )
    if facts.stats is not None and facts.bands:
        columns = zip(
            facts.stats.select('mean', facts.bands),
            facts.stats.select('std', facts.bands),
            strict=True,
        )
        scaling = [dict(type='z-score', mean=mean, stddev=std) for mean, std in columns]
        model_input['value_scaling'] = scaling * facts.dates
        model_input['pre_processing_function'] = dict(format='math', expression=_STRETCH)
    return model_input


def _describe_output(facts: ModelFacts) -> dict[str, Any]:
    task = _TASKS[facts.task]
    name = 'features' if facts.task == 'features' else 'probabilities'
    channels = 1 if facts.task == 'change' else len(facts.classes) or -1
    output: dict[str, Any] = dict(
        name=name,
        tasks=[task],
        result=dict(
            shape=[-1, channels, -1, -1],
            dim_order=['batch', 'channel', 'height', 'width'],
            data_type='float32',
        ),
    )
    output['classification:classes'] = [
        dict(value=number, name=text, description=text) for number, text in enumerate(facts.classes)
    ]
    return output


def _describe_bands(facts: ModelFacts) -> list[dict[str, Any]]:
    entries = []
    for name in facts.bands:
        band = facts.find_band(name)
        entry: dict[str, Any] = dict(name=name)
        if band is not None:
            entry['eo:center_wavelength'] = band.wavelength_nm / 1000  # micrometres
            entry['gsd'] = band.resolution_m
        entries.append(entry)
    return entries


def _describe_asset(path: Path, facts: ModelFacts) -> dict[str, Any]:
    _, artifact, media = _FORMATS[path.suffix]
    return {
        'href': f'./{path.name}',
        'type': media,
        'title': f'Weights ({path.suffix[1:]})',
        'roles': ['mlm:model', 'mlm:weights'],
        'mlm:artifact_type': artifact,
        'file:size': path.stat().st_size,
        'file:checksum': f'1220{hash_file(path)}',  # multihash: SHA-256, 32 bytes
        'bands': _describe_bands(facts),
    }


def describe_as_stac(facts: ModelFacts, files: list[Path]) -> dict[str, Any]:
    """Return a STAC item that describes a model.

    Args:
        facts: What is known of it.
        files: The files that hold it; they are beside the item.
    """
    framework = _FORMATS[files[0].suffix][0]
    properties: dict[str, Any] = {
        'datetime': datetime.now(timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'),
        'title': f'{facts.architecture} ({facts.task})',
        'mlm:name': facts.name,
        'mlm:architecture': facts.architecture,
        'mlm:tasks': [_TASKS[facts.task]],
        'mlm:framework': framework,
        'mlm:input': [_describe_input(facts)],
        'mlm:output': [_describe_output(facts)],
        'mlm:pretrained': True,
    }
    if framework == 'PyTorch':
        properties['mlm:framework_version'] = torch.__version__
    optional = {
        'mlm:total_parameters': facts.parameters,
        'mlm:pretrained_source': facts.data,
        'gsd': facts.resolution_m,
        'license': facts.licence,
        'swimdiff:scores': dict(facts.scores),
        'swimdiff:provenance': dict(facts.provenance),
    }
    if facts.stats is not None:
        optional['swimdiff:input_statistics'] = stats_to_mapping(
            facts.stats, facts.bands or facts.stats.low
        )
    properties |= {key: value for key, value in optional.items() if value}
    return {
        'type': 'Feature',
        'stac_version': '1.1.0',
        'stac_extensions': list(_EXTENSIONS),
        'id': facts.name,
        'geometry': None,
        'properties': properties,
        'links': [],
        'assets': {path.suffix[1:]: _describe_asset(path, facts) for path in files},
    }


def _list_statistics(facts: ModelFacts) -> list[str]:
    if facts.stats is None or not facts.bands:
        return ['Not known.', '']
    lines = [
        f'The images are stretched from `low`..`high` ({facts.stats.unit}) to 0..255, cut off and '
        f'without fractions; then `(x - mean) / std`. From {facts.stats.source}.',
        '',
        '| band | wavelength (nm) | low | high | mean | std |',
        '|---|---|---|---|---|---|',
    ]
    columns = [facts.stats.select(key, facts.bands) for key in ('low', 'high', 'mean', 'std')]
    for name, *numbers in zip(facts.bands, *columns, strict=True):
        band = facts.find_band(name)
        wavelength = f'{band.wavelength_nm:g}' if band else ''
        lines.append('| ' + ' | '.join([name, wavelength, *(f'{n:.5g}' for n in numbers)]) + ' |')
    return [*lines, '']


def _describe_as_markdown(facts: ModelFacts, files: list[Path]) -> str:
    resolution = f'{facts.resolution_m:g} m' if facts.resolution_m else 'not known'
    dates = f'{facts.dates} dates, one after the other in the channels; ' if facts.dates > 1 else ''
    rows = {
        'architecture': facts.architecture,
        'task': facts.task,
        'parameters': f'{facts.parameters:,}' if facts.parameters else 'not known',
        'input': f'{dates}bands {", ".join(facts.bands) or "not known"}',
        'resolution': resolution,
        'trained on': facts.data or 'not known',
        'classes': ', '.join(facts.classes),
        'licence': facts.licence or 'not stated by its publisher',
    }
    lines = [f'# {facts.name}', '', '| | |', '|---|---|']
    lines += [f'| {key} | {value} |' for key, value in rows.items() if value]
    lines += ['', '## Files', '', '| file | bytes | SHA-256 |', '|---|---|---|']
    lines += [f'| `{path.name}` | {path.stat().st_size} | `{hash_file(path)}` |' for path in files]
    if facts.how_to:
        lines += ['', '## Use', '', '```python', *facts.how_to.strip().splitlines(), '```']
    lines += ['', '## Images', '', *_list_statistics(facts), '## Scores', '']
    lines += [f'- {name}: {value}' for name, value in facts.scores.items()] or ['None were given.']
    if facts.notes:
        lines += ['', '## To know', '', *(f'- {note}' for note in facts.notes)]
    lines += ['', '## Provenance', '']
    long = ('input_statistics', 'backbone')
    lines += [f'- {key}: {value}' for key, value in facts.provenance.items() if key not in long]
    return '\n'.join(lines) + '\n'


def write_cards(facts: ModelFacts, files: list[Path]) -> list[Path]:
    """Write both cards beside the files that they describe.

    Args:
        facts: What is known of the model.
        files: The files that hold it, at least one.

    Returns:
        ``NAME.json`` (STAC) and ``NAME.md``.
    """
    stem = files[0].with_suffix('')
    item, page = (stem.with_name(stem.name + suffix) for suffix in ('.json', '.md'))
    replace_text(item, json.dumps(describe_as_stac(facts, files), indent=2) + '\n')
    replace_text(page, _describe_as_markdown(facts, files))
    return [item, page]

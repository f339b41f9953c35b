"""From weights or a checkpoint to an ONNX file that programs of others open."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.registry import DefaultScope
from torch import Tensor, nn

from swimdiff.bands import ProductStats
from swimdiff.errors import CheckpointError
from swimdiff.registry import MODELS
from swimdiff.weights.checkpoint import Checkpoint, parse_config_text
from swimdiff.weights.converters.deepness import list_metadata
from swimdiff.weights.converters.facts import ModelFacts, read_facts
from swimdiff.weights.converters.onnx_export import BackboneGraph, SegmentorGraph, export_onnx
from swimdiff.weights.converters.pixels import PixelInput

__all__ = ['export_backbone', 'export_segmentor', 'open_segmentor']

#: Tile for programs that ask for one, where the file leaves it open.
_TILE = 512


def _make_input(facts: ModelFacts, stored: bool) -> PixelInput:
    """Return the first layer of a graph.

    Raises:
        CheckpointError: Bands or statistics are not known.
    """
    if facts.stats is None or not facts.bands:
        missing_fact = 'bands' if not facts.bands else 'statistics'
        raise CheckpointError(
            f'{facts.name}: the source does not say its {missing_fact}, and the graph standardises '
            'the images by itself. Expected a checkpoint of tools/train.py; name bands with '
            '--bands.'
        )
    mean, std = (facts.stats.select(key, facts.bands) for key in ('mean', 'std'))
    stretch: ProductStats | None = facts.stats if stored else None
    return PixelInput(mean, std, stretch, facts.bands)


def export_backbone(
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    facts: ModelFacts,
    path: Path,
    tile: int | None = None,
    stored: bool = False,
) -> float:
    """Write a backbone as ONNX: pixels to the levels that its config names.

    Args:
        config: Config of the backbone.
        state: Its tensors by name.
        facts: What is known of it; its bands and statistics become the first layer.
        path: The file.
        tile: Edge of the images in pixels; None leaves it open.
        stored: Whether the graph takes the pixels of the product and stretches them itself.

    Returns:
        The largest difference from PyTorch.

    Raises:
        CheckpointError: The weights do not fit, or the file computes something else.
    """
    if facts.stats is not None and stored:
        facts = replace(facts, notes=(*facts.notes, _describe_pixels(facts.stats)))
    options = {key: value for key, value in config.items() if key not in ('init_cfg', 'mask_ratio')}
    if str(options['type']).endswith('MAEViT'):  # which hides patches
        options['type'] = 'mmpretrain.VisionTransformer'
        state = {name: value for name, value in state.items() if not name.startswith('ln2.')}
    backbone = MODELS.build(options)
    own = backbone.state_dict()
    wrong_names = [
        name for name in own if name not in state or state[name].shape != own[name].shape
    ]
    if wrong_names:
        raise CheckpointError(
            f'The weights do not fit {config["type"]}: {", ".join(wrong_names[:5])}.'
        )
    backbone.load_state_dict({name: state[name] for name in own})
    graph = BackboneGraph(_make_input(facts, stored), backbone)
    entries = {**list_metadata(facts, tile or _TILE), **_mark_own(facts)}
    return export_onnx(graph, path, len(facts.bands), tile, entries)


def _mark_own(facts: ModelFacts) -> dict[str, str]:
    """Provenance under keys that no other program reads: `names` would be class names to some."""
    return {f'swimdiff_{key}': value for key, value in facts.provenance.items()}


def _describe_pixels(stats: ProductStats) -> str:
    return f'The graph takes pixels in {stats.unit}, divided by 255, and stretches them itself.'


def open_segmentor(
    checkpoint: Checkpoint, classes: tuple[str, ...] | None = None, **known: Any
) -> tuple[nn.Module, ModelFacts, float | None]:
    """Build the model of a checkpoint of change or land cover, with its weights.

    Args:
        checkpoint: Of ``tools/train.py``.
        classes: Names of the classes, where the checkpoint does not say.
        **known: Further fields of :class:`ModelFacts`.

    Returns:
        The model in evaluation mode, its facts, and the threshold of change or None.

    Raises:
        CheckpointError: It is a checkpoint of something else.
    """
    config = parse_config_text(str(checkpoint.meta.get('cfg', '')))
    model = config.get('model')
    if not isinstance(model, dict) or not model.get('decode_head'):
        raise CheckpointError(
            f'{checkpoint.path} holds no model with a decode_head. Expected a checkpoint of change '
            'detection or land cover as tools/train.py writes it. The backbone of one of '
            'pre-training is exported by publish_backbone.py --for onnx.'
        )
    with DefaultScope.overwrite_default_scope('swimdiff'):
        segmentor = MODELS.build({**_drop_initialisers(model), 'data_preprocessor': None})
    _load_all(segmentor, checkpoint)
    head: Any = segmentor.decode_head
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    two_dates = str(model['backbone'].get('type', '')).endswith('SiameseEncoder')
    saved_classes = dict(checkpoint.meta.get('dataset_meta') or {}).get('classes')
    binary = int(segmentor.out_channels) == 1
    threshold = float(checkpoint.meta.get('threshold') or head.threshold or 0.5)
    facts = read_facts(
        checkpoint,
        architecture=f'{type(head).__name__} on {_name_backbone(model["backbone"])}',
        task='change' if two_dates else 'landcover',
        dates=2 if two_dates else 1,
        classes=tuple(map(str, classes or saved_classes or ())),
        parameters=sum(value.numel() for value in segmentor.parameters()),
        **known,
    )
    return segmentor, facts, threshold if binary else None


def _load_all(segmentor: nn.Module, checkpoint: Checkpoint) -> None:
    """Load every tensor, and switch to evaluation."""
    tensors = {
        name: value
        for name, value in checkpoint.state_dict.items()
        if not name.startswith('data_preprocessor.')
    }
    try:
        segmentor.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f'{checkpoint.path} does not fit the model of its own config: {str(error)[:300]}'
        ) from error
    segmentor.eval()


def _name_backbone(backbone: Mapping[str, Any]) -> str:
    inner = backbone.get('backbone', backbone)
    size = inner.get('depth') or inner.get('arch') or inner.get('model_name') or ''
    return f'{inner.get("type", "?")} {size}'.strip()


def _drop_initialisers(described: Any) -> Any:
    """Return a config without files to initialise from: the weights come from the checkpoint."""
    if isinstance(described, Mapping):
        return {
            key: _drop_initialisers(value)
            for key, value in described.items()
            if not (key == 'init_cfg' and isinstance(value, Mapping) and 'checkpoint' in value)
        }
    if isinstance(described, list | tuple):
        return type(described)(_drop_initialisers(value) for value in described)
    return described


def export_segmentor(
    segmentor: nn.Module,
    facts: ModelFacts,
    path: Path,
    tile: int | None = None,
    stored: bool = False,
    threshold: float | None = None,
    overlap: int = 15,
    small_segment: int = 0,
) -> float:
    """Write a whole model as ONNX: pixels to probabilities.

    It has what QGIS's Deepness reads.

    Args:
        segmentor: From :func:`open_segmentor`.
        facts: Likewise.
        path: The file.
        tile: Edge of the images in pixels; None leaves it open.
        stored: Whether the graph takes the pixels of the product and stretches them itself.
        threshold: See :class:`SegmentorGraph`.
        overlap: See :func:`swimdiff.weights.converters.deepness.list_metadata`.
        small_segment: Likewise.

    Returns:
        The largest difference from PyTorch.

    Raises:
        CheckpointError: The file computes something else.
    """
    graph = SegmentorGraph(_make_input(facts, stored), segmentor, threshold)
    entries = list_metadata(facts, tile or _TILE, overlap, small_segment)
    channels = len(facts.bands) * facts.dates
    return export_onnx(graph, path, channels, tile, {**entries, **_mark_own(facts)})

"""What QGIS's plug-in Deepness reads from an ONNX file, so that nothing has to be typed in.

Keys and their meaning: https://github.com/PUTvision/qgis-plugin-deepness, its ``model_base.py``
and ``tools/add_model_metadata.py``. Its page says ``tiles_size``, its code reads ``tile_size``:
both are written. Values are JSON.
"""

from typing import Any

from swimdiff.weights.converters.facts import ModelFacts

__all__ = ['list_metadata']


def list_metadata(
    facts: ModelFacts,
    tile: int,
    overlap: int = 15,
    small_segment: int = 0,
) -> dict[str, Any]:
    """Return the entries of a file by key.

    Args:
        facts: What is known of the model.
        tile: Edge of the tiles in pixels.
        overlap: Overlap of the tiles in percent of their edge.
        small_segment: Size of the median filter over the map in pixels; 0 for none.
    """
    channels = max(1, len(facts.bands)) * facts.dates
    entries: dict[str, Any] = dict(
        tile_size=tile,
        tiles_size=tile,
        tiles_overlap=overlap,
        # The graph standardises by itself; the plug-in only divides by 255.
        standardization_mean=[0.0] * channels,
        standardization_std=[1.0] * channels,
    )
    if facts.resolution_m:
        entries['resolution'] = facts.resolution_m * 100  # centimetres
    if facts.task == 'features':
        return entries
    names = facts.classes or (('unchanged', 'changed') if facts.task == 'change' else ())
    return dict(
        entries,
        model_type='Segmentor',
        class_names={str(number): name for number, name in enumerate(names)},
        seg_thresh=0.0,  # the larger channel is taken; the threshold of change is in the graph
        seg_small_segment=small_segment,
    )

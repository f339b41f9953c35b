"""Writing backbones and whole models as ONNX, and proving that the file computes the same."""

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swimdiff.errors import CheckpointError
from swimdiff.weights.converters.pixels import PixelInput
from swimdiff.weights.converters.traceable import make_traceable

__all__ = ['BackboneGraph', 'SegmentorGraph', 'export_onnx']

#: Largest difference from PyTorch, as a share of the largest output (at least 1).
TOLERANCE = 1e-4
#: Readable by every ONNX Runtime since 1.12 (2022).
_OPSET = 17


class BackboneGraph(nn.Module):
    """Join a backbone and its input layer: pixels to feature maps.

    Args:
        pixels: The input layer.
        backbone: Gives one feature map, or a sequence of them.
    """

    def __init__(self, pixels: PixelInput, backbone: nn.Module) -> None:
        super().__init__()
        self.pixels = pixels
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the levels of N x C x H x W pixels of 0..1, finest first."""
        features = self.backbone(self.pixels(images))
        return (features,) if isinstance(features, Tensor) else tuple(features)


class SegmentorGraph(nn.Module):
    """Join a segmentor of ``mmseg`` and its input layer: pixels to probabilities.

    Args:
        pixels: The input layer.
        segmentor: An ``EncoderDecoder``; of two dates or of one.
        threshold: For a network of one logit, give two channels, of no and of change, of which
            the second is the larger one above this probability. None gives the probability.
    """

    def __init__(self, pixels: PixelInput, segmentor: Any, threshold: float | None = None) -> None:
        super().__init__()
        self.pixels = pixels
        self.segmentor = segmentor
        self.one_logit = int(segmentor.out_channels) == 1
        self.threshold = threshold

    def forward(self, images: Tensor) -> Tensor:
        """Return N x classes x H x W of 0..1 for N x C x H x W pixels of 0..1."""
        meta = dict(img_shape=(images.shape[2], images.shape[3]))
        logits = self.segmentor.encode_decode(self.pixels(images), [meta])
        if not self.one_logit:
            return logits.softmax(dim=1)
        change = logits.sigmoid()
        if self.threshold is None:
            return change
        # Stretched on either side, so that the threshold comes to lie at one half.
        below, above = 0.5 / self.threshold, 0.5 / (1 - self.threshold)
        high = (change - self.threshold).clamp(min=0)
        change = (change - high) * below + high * above
        return torch.cat([1 - change, change], dim=1)


def _name_axes(outputs: Sequence[str], sample: Sequence[Tensor], size: int | None) -> dict:
    """Axes that stay open: the batch, and height and width where no size is given."""
    axes: dict[str, dict[int, str]] = {'image': {0: 'batch'}}
    if size is None:
        axes['image'] |= {2: 'height', 3: 'width'}
    for name, output in zip(outputs, sample, strict=True):
        axes[name] = {0: 'batch'}
        if size is None and output.ndim == 4:
            axes[name] |= {2: f'{name}_height', 3: f'{name}_width'}
    return axes


def _import_onnx() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise CheckpointError(
            f"{error.name} is not installed: pip install 'swimdiff[export]'"
        ) from error
    return onnx, onnxruntime


@torch.no_grad()
def export_onnx(
    graph: nn.Module,
    path: Path,
    channels: int,
    size: int | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> float:
    """Write a graph as ONNX and compare it with PyTorch.

    Args:
        graph: From N x C x H x W pixels to one tensor or several.
        path: The file.
        channels: C.
        size: Edge of the images in pixels, for programs that want it fixed. None leaves height
            and width open. The number of images is open in any case.
        metadata: What the file says about itself, by key; values are written as JSON.

    Returns:
        The largest difference seen, as a share of the largest output (at least 1).

    Raises:
        CheckpointError: A package is missing, or the file computes something else.
    """
    onnx, _ = _import_onnx()
    graph.eval()
    edge = size or 224
    images = _draw_pixels(2, channels, edge, edge)
    outputs = graph(images)
    several = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    names = (
        ['probabilities']
        if isinstance(outputs, Tensor)
        else [f'level_{number}' for number in range(len(several))]
    )
    with warnings.catch_warnings(), redirect_stdout(StringIO()), make_traceable(graph):
        warnings.simplefilter('ignore')  # of the tracer about shapes; they are tried below
        torch.onnx.export(
            graph,
            (images,),
            str(path),
            input_names=['image'],
            output_names=names,
            dynamic_axes=_name_axes(names, several, size),
            opset_version=_OPSET,
            dynamo=False,
        )
    _complete_file(onnx, path, several, size, metadata or {})
    return _prove(graph, path, channels, size)


def _complete_file(
    onnx: Any,
    path: Path,
    outputs: Sequence[Tensor],
    size: int | None,
    metadata: Mapping[str, Any],
) -> None:
    """Write what the file says about itself: metadata, and shapes that the tracer lost.

    QGIS's plug-in takes the number of classes from the shape of the output, where the tracer leaves
    a name behind some layers (softmax). Height and width stay open unless they are fixed; without
    names, which would promise that both are equal.
    """
    model = onnx.load(str(path))
    for output, tensor in zip(model.graph.output, outputs, strict=True):
        dimensions = output.type.tensor_type.shape.dim
        for axis in range(1, tensor.ndim):
            if size is not None or (axis == 1 and tensor.ndim == 4):
                dimensions[axis].dim_value = tensor.shape[axis]
            elif dimensions[axis].dim_param:
                dimensions[axis].Clear()
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _draw_pixels(count: int, channels: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(count + height + width)
    numbers = torch.randint(0, 256, (count, channels, height, width), generator=generator)
    return numbers / 255


def _prove(graph: nn.Module, path: Path, channels: int, size: int | None) -> float:
    """Run the file on images of several numbers and sizes, and compare."""
    _, onnxruntime = _import_onnx()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised as well
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    shapes = [(1, size, size), (3, size, size)] if size else [(1, 224, 224), (2, 96, 160)]
    largest = 0.0
    for count, height, width in shapes:
        images = _draw_pixels(count, channels, height, width)
        outputs = graph(images)
        torch_outputs = [outputs] if isinstance(outputs, Tensor) else outputs
        problem = f'images of {count} x {channels} x {height} x {width}'
        try:
            onnx_outputs = session.run(None, {'image': images.numpy()})
        except Exception as error:  # ONNX Runtime raises classes of its own for each kind
            raise _refusal(path, size, f'{problem}: {str(error)[:200]}') from error
        for ours, theirs in zip(torch_outputs, onnx_outputs, strict=True):
            if tuple(ours.shape) != theirs.shape:
                raise _refusal(path, size, f'{problem}: {theirs.shape} for {tuple(ours.shape)}')
            scale = max(1.0, float(ours.abs().max()))
            largest = max(largest, float(np.abs(ours.numpy() - theirs).max()) / scale)
    if not largest <= TOLERANCE:
        raise _refusal(path, size, f'outputs differ by {largest:.1e}')
    return largest


def _refusal(path: Path, size: int | None, problem: str) -> CheckpointError:
    path.unlink(missing_ok=True)
    advice = (
        'Its layers depend on the size of the image: fix it with --tile 256 (or another size).'
        if size is None
        else 'Try another --tile; a multiple of 32 fits every backbone.'
    )
    return CheckpointError(
        f'The ONNX file does not compute what PyTorch computes ({problem}); it was removed. '
        f'{advice}'
    )

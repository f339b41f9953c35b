"""Pictures of the report: the views a model is shown, and what it makes of noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dataset import BaseDataset, default_collate
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from PIL import Image
from torch import Tensor

from swimdiff.models.selfsup.swimdiff import SwiMDiff
from swimdiff.pages import embed_picture
from swimdiff.visualization.pretraining import denoising_strip, spread_steps
from swimdiff.visualization.view_sheet import as_picture

__all__ = ['Picture', 'denoising_pictures', 'view_pictures']

#: Noise levels in the strip.
_LEVELS = 5
_EDGE = 128


@dataclass(frozen=True)
class Picture:
    """Hold a picture and its caption.

    Args:
        uri: ``data:`` address of the pixels.
        caption: In words.
    """

    uri: str
    caption: str


class _Stretch:
    """One stretch for all pictures, so that dark imagery can be seen and compared."""

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
        self.low, self.high = np.percentile(pixels, (1, 99), axis=0)

    def uri(self, picture: np.ndarray) -> str:
        """The picture as JPEG, of at most 128 pixels an edge."""
        stretched_picture = (picture - self.low) / np.maximum(self.high - self.low, 1)
        image = Image.fromarray((stretched_picture.clip(0, 1) * 255).round().astype(np.uint8))
        image.thumbnail((_EDGE, _EDGE))
        return embed_picture(image)


def _views(
    model: BaseSelfSupervisor, dataset: BaseDataset, count: int
) -> tuple[list[Tensor], list]:
    """Views as the model gets them (uint8, each N x C x H x W), and their data samples.

    They go through the model's preprocessor, which may be what makes them.
    """
    sample_numbers = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    batch = default_collate([dataset[i] for i in sample_numbers.tolist()])
    model_input = model.data_preprocessor(batch, True)
    back = model.data_preprocessor.destandardise
    # One view is a batch, not a list of one, where the model takes no pair (MAE).
    views = model_input['inputs']
    views = [views] if isinstance(views, Tensor) else views
    return [back(view).cpu() for view in views], model_input['data_samples']


@torch.no_grad()
def view_pictures(
    model: BaseSelfSupervisor, dataset: BaseDataset, bands: Sequence[str], count: int = 8
) -> list[list[Picture]]:
    """Query and key view of some samples, evenly spaced.

    Args:
        model (BaseSelfSupervisor): Any self-supervisor, with a preprocessor of ours.
        dataset (BaseDataset): What it is trained on.
        bands (Sequence[str]): Names of the channels.
        count (int): Samples. Defaults to 8.

    Returns:
        list[list[Picture]]: The views of each sample.
    """
    views, samples = _views(model, dataset, count)
    pictures_by_view = [[as_picture(image.numpy(), bands) for image in view] for view in views]
    stretch = _Stretch([picture for view in pictures_by_view for picture in view])
    strips = []
    for number, sample in enumerate(samples):
        date = ' / '.join(dict.fromkeys(sample.get('date', ())))
        captions = [f'scene {sample.scene_id}', date]
        strips.append(
            [
                Picture(stretch.uri(view[number]), caption)
                for view, caption in zip(pictures_by_view, captions, strict=False)
            ]
        )
    return strips


@torch.no_grad()
def denoising_pictures(
    model: SwiMDiff, dataset: BaseDataset, bands: Sequence[str]
) -> list[list[Picture]]:
    """Draw one view noised more and more, and the model's estimate of each.

    Args:
        model (SwiMDiff): A self-supervisor with a diffusion branch, in evaluation mode.
        dataset (BaseDataset): What it is trained on.
        bands (Sequence[str]): Names of the channels.

    Returns:
        list[list[Picture]]: Noised views, the clean one first; estimates; and, where there is
        another view, the estimates from its features.
    """
    view = _views(model, dataset, 16)[0][0]
    # The one of middling contrast: neither water nor cloud.
    order = view.float().std(dim=(1, 2, 3)).argsort()
    patch, other = view[order[len(view) // 2]], view[order[-1]]
    steps = spread_steps(model, _LEVELS)
    rows = denoising_strip(model, patch, steps, other=other if len(view) > 1 else None)
    clean = as_picture(patch.numpy(), bands)
    stretch = _Stretch([clean])
    captions = ['t = {}', 'from t = {}', 't = {}, other features']
    picture_rows = [
        [
            Picture(stretch.uri(as_picture(image.numpy(), bands)), caption.format(step))
            for step, image in zip(steps, row, strict=True)
        ]
        for caption, row in zip(captions, rows, strict=False)
    ]
    return [[Picture(stretch.uri(clean), 'the view'), *picture_rows[0]], *picture_rows[1:]]

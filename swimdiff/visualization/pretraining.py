"""One picture of what a pre-training run learned, for someone who sees such a run the first time.

Three panels: the losses; a patch noised more and more, with what the network makes of it; patches
with their nearest neighbours by the learned features.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from swimdiff.errors import ConfigError, DataError
from swimdiff.models.selfsup.projection_neck import global_features
from swimdiff.models.selfsup.swimdiff import SwiMDiff
from swimdiff.visualization.plain_words import (
    Remark,
    explain_losses,
    explain_neighbours,
    explain_reliance,
)
from swimdiff.visualization.view_sheet import as_picture

__all__ = [
    'cut_patches',
    'denoising_strip',
    'embed',
    'nearest',
    'pretraining_figure',
    'read_losses',
    'spread_steps',
]


def read_losses(work_dir: str | Path) -> dict[str, np.ndarray]:
    """Read the scalars of a run.

    Args:
        work_dir (str | Path): Work dir of ``tools/train.py``. Where the run was resumed, a step is
            taken from the latest start.

    Returns:
        dict[str, np.ndarray]: ``step`` (iterations) and one array per loss; of the diffusion branch
        its error relative to that of the best guess without a network, where it is logged.

    Raises:
        DataError: If no log with losses is there.
    """
    rows: dict[int, dict] = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if 'loss_contrast' in row:
                rows[row['step']] = row
    if not rows:
        raise DataError(
            f'{work_dir}: expected logs of a run at */vis_data/scalars.json with loss_contrast, '
            'found none; give the work dir of a pre-training run that has logged'
        )
    steps = sorted(rows)
    logged = rows[steps[0]]
    error = 'diffusion_relative_error'
    names = ['loss_contrast', error if error in logged else 'loss_diffusion']
    names = [name for name in names if name in logged]
    curves = {name: np.array([rows[step][name] for step in steps]) for name in names}
    return {'step': np.array(steps), **curves}


def cut_patches(images: Sequence[Tensor], size: int) -> tuple[Tensor, list[int]]:
    """Cut images into square patches side by side.

    Args:
        images (Sequence[Tensor]): uint8 images, each C x H x W.
        size (int): Edge of a patch in pixels.

    Returns:
        tuple[Tensor, list[int]]: P x C x size x size patches and the image each is from.
    """
    patches, origin = [], []
    for i, image in enumerate(images):
        tiles = image.unfold(1, size, size).unfold(2, size, size)  # C x rows x columns x s x s
        tiles = tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)
        patches.append(tiles)
        origin += [i] * len(tiles)
    return torch.cat(patches), origin


@torch.no_grad()
def embed(model: SwiMDiff, patches: Tensor, batch_size: int = 64) -> Tensor:
    """Compute unit-length features of the query backbone.

    Args:
        model (SwiMDiff): In evaluation mode.
        patches (Tensor): P x C x H x W uint8.
        batch_size (int): Patches a pass. Defaults to 64.

    Returns:
        Tensor: P x D.
    """
    feats = [
        global_features(model.backbone(model.data_preprocessor.standardise(batch)))
        for batch in patches.split(batch_size)
    ]
    return torch.nn.functional.normalize(torch.cat(feats).float(), dim=1).cpu()


def nearest(features: Tensor, queries: Sequence[int], count: int) -> Tensor:
    """Return the nearest other patches by cosine similarity.

    Indices, len(queries) x count.

    Args:
        features: N x D, of unit length.
        queries: Rows that are searched for.
        count: Neighbours of each.
    """
    similarity = features[list(queries)] @ features.T
    similarity[torch.arange(len(queries)), list(queries)] = -torch.inf
    return similarity.topk(count, dim=1).indices


@torch.no_grad()
def denoising_strip(
    model: SwiMDiff,
    patch: Tensor,
    steps: Sequence[int],
    seed: int = 0,
    other: Tensor | None = None,
) -> list[Tensor]:
    """Noise one patch at several steps and let the model estimate it in one step.

    Args:
        model (SwiMDiff): In evaluation mode, with a diffusion branch.
        patch (Tensor): C x H x W uint8.
        steps (Sequence[int]): The t to show.
        seed (int): Of the noise. Defaults to 0.
        other (Tensor, optional): C x H x W uint8, another patch whose features the decoder is given
            in a third row. Defaults to None, two rows.

    Returns:
        list[Tensor]: Noised patches, estimates, and estimates from the features of the other
        patch, each len(steps) x C x H x W uint8.
    """

    def standardise(image: Tensor) -> Tensor:
        return model.data_preprocessor.standardise(image[None]).repeat(len(steps), 1, 1, 1)

    x_0 = standardise(patch)
    generator = torch.Generator().manual_seed(seed)
    eps = torch.randn(x_0.shape, generator=generator).to(x_0.device)
    t = torch.tensor(list(steps), device=x_0.device)
    rows = [*model.denoise(x_0, t, eps)]
    if other is not None:
        rows.append(model.denoise(x_0, t, eps, features_of=standardise(other))[1])
    return [model.data_preprocessor.destandardise(row).cpu() for row in rows]


def spread_steps(model: SwiMDiff, count: int = 4) -> list[int]:
    """Spread steps over those of the training, from little noise to much.

    Args:
        model (SwiMDiff): With a diffusion branch.
        count (int): Steps; fewer where the schedule has fewer. Defaults to 4.

    Raises:
        ConfigError: The model has no diffusion branch.
    """
    if model.diffusion is None:
        raise ConfigError('This model has no diffusion branch (lambda_d=0): no step to show')
    last = model.diffusion.schedule.drawn_steps
    return sorted({max(1, round((place + 1) / count * last)) - 1 for place in range(count)})


def pretraining_figure(
    losses: dict[str, np.ndarray],
    model: SwiMDiff,
    images: Sequence[Tensor],
    bands: Sequence[str],
    filling: int = 0,
    size: int = 64,
    steps: Sequence[int] | None = None,
    rows: int = 5,
    neighbours: int = 5,
) -> tuple[Figure, list[Remark]]:
    """Draw the picture, and say in plain words what it shows.

    Args:
        losses (dict[str, np.ndarray]): From :func:`read_losses`.
        model (SwiMDiff): In evaluation mode.
        images (Sequence[Tensor]): uint8 images of different places, each C x H x W.
        bands (Sequence[str]): Names of the channels.
        filling (int): Iterations until the queue was full; the contrastive loss rises meanwhile.
        size (int): Edge of the patches, about that of the training views. Defaults to 64.
        steps (Sequence[int], optional): Noise levels of the strip. Defaults to None, five spread
            over those of the training.
        rows (int): Number of query patches. Defaults to 5.
        neighbours (int): Neighbours of each. Defaults to 5.

    Returns:
        tuple[Figure, list[Remark]]: The figure, not yet saved, and the remarks written below it.
    """
    patches, origin = cut_patches(images, size)
    features = embed(model, patches)
    show = Shower(patches, bands)
    # Queries that differ most in brightness and texture, so that the rows are not all alike.
    order = patches.float().std(dim=(1, 2, 3)).argsort()
    queries = order[torch.linspace(0, len(order) - 1, rows + 2).long()[1:-1]].tolist()
    neighbours_found = nearest(features, queries, neighbours)

    figure = Figure(figsize=(15, 9.5), layout='constrained')
    panels, words = figure.subfigures(2, 1, height_ratios=(8.5, 1), squeeze=False)[:, 0]
    left, right = panels.subfigures(1, 2, width_ratios=(1.25, 1), squeeze=False)[0]
    remarks = explain_losses(losses, filling)
    upper, lower = left.subfigures(2, 1, squeeze=False)[:, 0]
    _draw_losses(upper.subplots(1, len(losses) - 1, squeeze=False)[0], losses, filling)
    upper.suptitle('The losses of the two branches')
    if model.diffusion is not None:
        shown_number, other_number = queries[len(queries) // 2], queries[-1]
        steps = steps or spread_steps(model, 5)
        remarks.append(
            _draw_strip(lower, model, (patches[shown_number], patches[other_number]), steps, show)
        )
    right.suptitle(f'Patches ({size} x {size} pixels) and their nearest neighbours by the features')
    grid = right.subplots(rows, neighbours + 1, squeeze=False)
    for row, query in enumerate(queries):
        for column, index in enumerate([query, *neighbours_found[row].tolist()]):
            title = f'query, place {origin[index]}' if column == 0 else f'place {origin[index]}'
            show(grid[row, column], patches[index], title)
            if column == 0:
                for spine in grid[row, column].spines.values():
                    spine.set(color='tab:red', linewidth=3)
    remarks += explain_neighbours(features, origin)
    _write_remarks(words, remarks)
    return figure, remarks


def _write_remarks(figure: SubFigure, remarks: Sequence[Remark]) -> None:
    for line, remark in enumerate(remarks):
        place = 1 - (line + 0.5) / len(remarks)
        colour = 'tab:green' if remark.good else 'tab:red'
        figure.text(0.01, place, str(remark), va='center', color=colour, fontsize=10)


def _draw_losses(axes: Sequence[Axes], losses: dict[str, np.ndarray], filling: int) -> None:
    titles = {
        'loss_contrast': 'contrastive loss (scene-wide matching)',
        'diffusion_relative_error': 'error of the denoising (1: no network)',
        'loss_diffusion': 'diffusion loss (error of the denoising)',
    }
    names = [name for name in losses if name != 'step']
    for axis, name in zip(axes, names, strict=True):
        drawn_steps = losses['step'] > filling if name == 'loss_contrast' else slice(None)
        axis.plot(losses['step'][drawn_steps], losses[name][drawn_steps], color='tab:blue')
        axis.set(title=titles[name], xlabel='iteration')
        axis.grid(alpha=0.3)
        if name != 'loss_contrast':
            axis.set_ylim(bottom=0)
        elif filling:
            axis.axvspan(0, filling, color='0.9')
            note = 'grey: the queue of keys fills'
            axis.text(0.98, 0.95, note, ha='right', va='top', transform=axis.transAxes)


def _draw_strip(
    figure: SubFigure,
    model: SwiMDiff,
    pair: tuple[Tensor, Tensor],
    steps: Sequence[int],
    show: 'Shower',
) -> Remark:
    """Draw a patch, noised and estimated, and the estimates from the features of another patch."""
    rows = denoising_strip(model, pair[0], steps, other=pair[1])
    figure.suptitle(
        'A patch noised at step t; the image estimated from it; and the same estimate\n'
        'with the features of another patch: the more unlike, the more the encoder is needed'
    )
    grid = figure.subplots(3, len(steps) + 1)
    show(grid[0, 0], pair[0], 'original')
    grid[1, 0].axis('off')
    grid[1, 0].text(0.95, 0.5, 'estimates:', ha='right', transform=grid[1, 0].transAxes)
    show(grid[2, 0], pair[1], 'features of this:')
    for row, images in enumerate(rows):
        for column, (step, image) in enumerate(zip(steps, images, strict=True), start=1):
            show(grid[row, column], image, f't = {step}' if row == 0 else '')
    return explain_reliance(pair[0], rows[1], rows[2])


class Shower:
    """Show patches with one stretch for all, so that dark imagery can be seen."""

    def __init__(self, patches: Tensor, bands: Sequence[str]) -> None:
        self.bands = bands
        pictures = np.stack([as_picture(patch, bands) for patch in patches.numpy()])
        self.low, self.high = np.percentile(pictures, (1, 99), axis=(0, 1, 2))

    def __call__(self, axis: Axes, image: Tensor, title: str = '') -> None:
        picture = as_picture(image.numpy(), self.bands)
        stretched_picture = (picture - self.low) / np.maximum(self.high - self.low, 1)
        axis.imshow(stretched_picture.clip(0, 1), interpolation='nearest')
        axis.set_title(title, fontsize=9)
        axis.set(xticks=[], yticks=[])

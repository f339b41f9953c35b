"""Making the views on the device, for workers that only read."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.amp import autocast
from torch.amp.autocast_mode import is_autocast_available

from swimdiff.errors import ConfigError
from swimdiff.models.preprocessors.device_views.counterpart import Counterpart, find_counterpart
from swimdiff.models.preprocessors.device_views.draws import draw_views
from swimdiff.models.preprocessors.device_views.plan import ViewPlan
from swimdiff.models.preprocessors.device_views.sampling import Sampling
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.registry import MODELS

__all__ = ['DeviceViews']


@MODELS.register_module()
class DeviceViews(MultiBandPreprocessor):
    """Make query and key views of whole batches on the device, and standardise them.

    Experimental: no GPU has shown yet that it pays; on a CPU it does not (0.74 to 0.91 of the
    workers' rate, docs/evidence/views.md). Options may change without notice. Studies take it
    where there is a GPU (docs/how-to/studies.md).

    Takes the list of transforms that ``TwoViews`` takes. The workers then only read: their pipeline
    loads an image, or one of each of two dates, and packs it (``PackViews``) without ``TwoViews``.
    Where the model is not training, images are standardised and nothing else.

    Args:
        transforms: Transforms applied to each view with random draws of its own; or two lists, one
            for the query and one for the key. Each needs a counterpart, see ``DEVICE_TRANSFORMS``.
        bands: Bands by name, in the order of the channels.
        chunk: Images worked on at a time, which bounds the memory beyond input and result; by
            default the whole batch on an accelerator and 8 on a CPU, whose cache holds no more.
        channels_last: Whether the views are laid out channels last.
        plain: Transforms of a third view of the query's image, for
            ``DiffusionBranch(view='plain')``; none by default.
        **kwargs: Options of :class:`MultiBandPreprocessor`.

    Raises:
        ConfigError: A transform without counterpart, an order that cannot be had, a chunk below 1.

    Example::

        data_preprocessor = dict(
            type='DeviceViews',
            transforms=[
                dict(type='mmpretrain.RandomResizedCrop', scale=224),
                dict(type='RandomGrey', prob=0.2),
            ],
            bands=('B04', 'B03', 'B02'),
            stats='seco',
        )
    """

    def __init__(
        self,
        transforms: Sequence[Any],
        bands: Sequence[str],
        chunk: int | None = None,
        channels_last: bool = False,
        plain: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(bands, **kwargs)
        is_nested = [isinstance(item, list | tuple) for item in transforms]
        if any(is_nested) and not (all(is_nested) and len(is_nested) == 2):
            raise ConfigError(
                'DeviceViews takes one list of transforms for both views or exactly two lists, one '
                f'a view; found {len(is_nested)} entries of which {sum(is_nested)} are lists.'
            )
        if chunk is not None and chunk < 1:
            raise ConfigError(f'DeviceViews: chunk is expected to be 1 or more; found {chunk}.')
        chains = transforms if any(is_nested) else [transforms, transforms]
        if plain is not None:
            chains = [*chains, plain]
        self.chains = [[find_counterpart(step, self.bands) for step in chain] for chain in chains]
        self.chunk = chunk
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        for chain in self.chains:  # what cannot be done is said now and not at the first batch
            self.plan(chain, torch.zeros(1, _numbers(chain), dtype=torch.float64), (256, 256))

    @staticmethod
    def plan(chain: Sequence[Counterpart], drawn: Tensor, size: tuple[int, int]) -> ViewPlan:
        """Plan what is to be done to the views of a batch.

        Args:
            chain: The transforms of the query or of the key.
            drawn: N rows of uniform numbers, as many as the chain takes.
            size: Height and width of the sources.
        """
        plan = ViewPlan(len(drawn), size)
        shares = drawn.split([step.numbers for step in chain], dim=1)
        for step, share in zip(chain, shares, strict=True):
            step.plan(share, plan)
        return plan

    def render(self, images: Tensor, plan: ViewPlan) -> Tensor:
        """Carry out a plan on N x C x H x W images, 0..255, and standardise them.

        They may be of any type.

        Args:
            images: The sources, on the device.
            plan: From :meth:`plan`.
        """
        sample = Sampling.of(plan, (images.shape[2], images.shape[3]), images.device)
        stages = [stage.to(images.device) for stage in plan.stages]
        mean, std = self.mean.float(), self.std.float()
        shape = (*images.shape[:2], *plan.size)
        all_views = torch.empty(shape, device=images.device, memory_format=self.layout)
        chunk = self.chunk or (8 if images.device.type == 'cpu' else len(images))
        for start in range(0, len(images), chunk):
            rows = slice(start, start + chunk)
            views = sample(images[rows].float(), rows)
            for stage in stages:
                views = stage(views, rows)
            # The workers' views are 8-bit images, too.
            all_views[rows] = views.round_().sub_(mean).div_(std)
        return all_views

    def _sources(self, inputs: Any) -> list[Tensor]:
        """One N x C x H x W batch, or two: one per date."""
        if isinstance(inputs, Tensor):
            return [self.receive(inputs)]
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].ndim == 3:
            shapes = sorted({tuple(image.shape) for image in inputs})
            if len(shapes) > 1:
                raise ConfigError(
                    'DeviceViews: all images of a batch are expected to have one size; found '
                    f'{shapes}. Resize them in the pipeline, or let the workers make the views.'
                )
            return [self.receive(torch.stack(list(inputs)))]
        return [source for item in inputs for source in self._sources(item)]

    @torch.no_grad()
    def views(self, inputs: Any) -> list[Tensor]:
        """Make query and key views of a batch of whole images.

        Args:
            inputs: One N x C x H x W tensor, a list of N tensors C x H x W, or a list of one or two
                of either; of two the first becomes the query.

        Returns:
            Two N x C x h x w float32 tensors, standardised, on the device; three with ``plain``.
        """
        sources = self._sources(inputs)
        if any(source.dtype != torch.uint8 for source in sources):
            raise ConfigError(
                f'DeviceViews: images of 8 bits are expected, 0 to 255; found {sources[0].dtype}. '
                'Give the data set statistics to stretch the pixels with (stats=...), or let the '
                'workers make the views (TwoViews in the pipeline and '
                "data_preprocessor=dict(type='MultiBandPreprocessor'))."
            )
        if not 1 <= len(sources) <= 2:
            raise ConfigError(
                'DeviceViews: one image or one of each of two dates is expected a sample; found '
                f'{len(sources)}.'
            )
        counts = [_numbers(chain) for chain in self.chains]
        shares = list(draw_views(len(sources[0]), sum(counts[:2])).split(counts[:2], dim=1))
        # By itself, so that query and key are the same ones without it.
        shares += [draw_views(len(sources[0]), count, 'plain view') for count in counts[2:]]
        kind, views = self.mean.device.type, []
        # Half precision would take bits from the grey levels.
        with autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext():
            owners = (sources[0], sources[-1], sources[0])[: len(self.chains)]
            for source, chain, share in zip(owners, self.chains, shares, strict=True):
                size = (source.shape[2], source.shape[3])
                views.append(self.render(source, self.plan(chain, share, size)))
        return views

    @torch.compiler.disable  # what is drawn and planned is for the host
    def forward(self, data: dict, training: bool = False) -> dict:
        """Make and standardise the views of a batch.

        Args:
            data: ``inputs`` (see :meth:`views`) and ``data_samples``.
            training: Whether to make views; else see :class:`MultiBandPreprocessor`.

        Returns:
            ``inputs``, a batch of each view, and ``data_samples`` (None if absent).

        Raises:
            ConfigError: Images of several sizes or of other types than uint8, not one or two per
                sample, or views already made.
        """
        if not training:
            return super().forward(data, training)
        samples = data.get('data_samples')
        if samples and samples[0].get('views_made', False):
            raise ConfigError(
                'DeviceViews: the workers have made views already; take TwoViews out of the '
                "pipeline, or set data_preprocessor=dict(type='MultiBandPreprocessor')."
            )
        return dict(inputs=self.views(data['inputs']), data_samples=self.cast_data(samples))


def _numbers(chain: Sequence[Counterpart]) -> int:
    """Uniform numbers that a view of a chain takes."""
    return sum(step.numbers for step in chain)

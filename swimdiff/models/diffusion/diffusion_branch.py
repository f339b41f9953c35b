"""The diffusion branch: noise a view, encode it with the query encoder, decode, compare.

Paper: the query encoder is the shared encoder of a denoising network whose pixel-level loss makes
it keep fine detail. Reconstruction: everything the options below leave open.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.models.diffusion.noised_statistics import NoisedStatistics
from swimdiff.models.diffusion.step_random import draw_noise, part_of_batch
from swimdiff.registry import MODELS

__all__ = ['DiffusionBranch']

#: In the order in which the data gives them.
VIEWS = ('query', 'key', 'plain')


@MODELS.register_module()
class DiffusionBranch(BaseModule):
    """Constrain the query encoder by diffusion.

    Args:
        backbone (nn.Module): The query backbone; filled in by SwiMDiff, not kept here.
        pyramid (dict): ``in_channels``, ``strides`` and ``image_channels`` for the decoder; filled
            in by SwiMDiff.
        schedule (dict): Noise schedule. Defaults to :class:`NoiseSchedule`'s defaults.
        decoder (dict): Denoising decoder. Defaults to :class:`DenoisingDecoder`'s defaults.
        loss (dict): Diffusion loss. Defaults to :class:`DiffusionLoss`'s defaults.
        view (str): Which view is noised: 'query', 'key', or 'plain', a crop without changes of
            colour that ``TwoViews(plain=[...])`` adds. Defaults to 'query'.
        encoder_input (str): 'noised': the encoder sees x_t, in a pass of its own. 'clean': the
            decoder is fed the features of the contrastive pass, which costs no second pass; needs
            ``view='query'`` and a decoder with ``skip_noised``. Defaults to 'noised'.
        share (float): Share of the global batch used, in (0, 1]; batches are shuffled, so the
            first images are taken. Defaults to 1.
        shrink (int): The noised images are made smaller by this factor, each pixel the mean of
            ``shrink x shrink``: at 2 the branch costs about a quarter. Needs
            ``encoder_input='noised'``. Defaults to 1.
        norm_statistics (str): Batch-norm policy of the noised pass, 'own', 'frozen' or 'shared',
            see :class:`NoisedStatistics`. Defaults to 'own'.

    Raises:
        ConfigError: If options are unknown or do not fit together.

    Example::

        model = dict(
            diffusion=dict(
                type='DiffusionBranch',
                schedule=dict(type='NoiseSchedule', schedule='cosine'),
                loss=dict(type='DiffusionLoss', prediction='x0'),
                share=0.5,
            )
        )
    """

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: dict,
        schedule: dict | None = None,
        decoder: dict | None = None,
        loss: dict | None = None,
        view: str = 'query',
        encoder_input: str = 'noised',
        share: float = 1.0,
        shrink: int = 1,
        norm_statistics: str = 'own',
    ) -> None:
        super().__init__()
        if view not in VIEWS:
            raise ConfigError(f'DiffusionBranch: view must be one of {VIEWS}, got {view!r}')
        if encoder_input not in ('noised', 'clean'):
            raise ConfigError(
                f"DiffusionBranch: encoder_input must be 'noised' or 'clean', got {encoder_input!r}"
            )
        if not 0 < share <= 1:
            raise ConfigError(f'DiffusionBranch: share must be in (0, 1], got {share}')
        if shrink < 1 or (shrink > 1 and encoder_input == 'clean'):
            raise ConfigError(
                'DiffusionBranch: shrink must be a positive whole number, and 1 where '
                f"encoder_input='clean' (its features are of full size), got {shrink}"
            )
        self.schedule = MODELS.build({'type': 'NoiseSchedule', **(schedule or {})})
        self.decoder = MODELS.build({'type': 'DenoisingDecoder', **pyramid, **(decoder or {})})
        self.loss = MODELS.build({'type': 'DiffusionLoss', **(loss or {})})
        self.statistics = NoisedStatistics(backbone, norm_statistics)
        self.view = view
        self.encoder_input = encoder_input
        self.share = share
        self.shrink = shrink
        if encoder_input == 'clean' and (view != 'query' or not self.decoder.skip_noised):
            raise ConfigError(
                "DiffusionBranch: encoder_input='clean' needs view='query' (its features are the "
                'ones at hand) and a decoder with skip_noised=True (else it never sees the noise)'
            )

    def forward(
        self, backbone: nn.Module, views: Sequence[Tensor], feats_q: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Compute the diffusion loss L_D of a batch.

        Args:
            backbone (nn.Module): The query backbone.
            views (Sequence[Tensor]): Query and key views and, where the data gives them, plain
                ones, each N x C x H x W, standardised.
            feats_q (Sequence[Tensor]): The backbone's pyramid of the query views.

        Returns:
            dict[str, Tensor]: Scalars ``loss`` and ``relative_error``: the squared error over that
            of the best estimate without a network, a multiple of x_t; above 1 nothing was learned.
        """
        rows = len(views[0])
        row_count, factor = part_of_batch(self.share, rows)
        x_0 = self.choose_images(views)[:row_count]
        t, eps = draw_noise(x_0, rows, self.schedule)  # M, MxCxHxW
        x_t = self.schedule.add_noise(x_0, eps, t)
        feats: Sequence[Tensor] = [feat[:row_count] for feat in feats_q]
        if self.encoder_input == 'noised':
            feats = self._encode(backbone, x_t)
        output = self.decoder(feats, x_t, t)
        loss = factor * self.loss(output, x_0, eps, t, self.schedule)
        with torch.no_grad():
            error = self._squared_error(output, x_0, eps, t)
            power = x_0.float().square().mean()
            known_error = self.schedule.scalar_gain_error(t, self.loss.prediction, power)
        return {'loss': loss, 'relative_error': error.mean() / known_error.mean()}

    def choose_images(self, views: Sequence[Tensor]) -> Tensor:
        """Return the views that are noised, as small as the branch sees them.

        Raises:
            ConfigError: Plain views are asked for and the data gives none.
        """
        place = VIEWS.index(self.view)
        if place >= len(views):
            raise ConfigError(
                f"DiffusionBranch: view='plain' needs a third view, the data gives {len(views)}; "
                "add plain=[...] to TwoViews in the pipeline, or choose view='query'"
            )
        x_0 = views[place]
        return F.avg_pool2d(x_0, self.shrink) if self.shrink > 1 else x_0

    def _squared_error(self, output: Tensor, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """Return the mean squared error of each image's prediction, N."""
        target = self.schedule.target(x_0, eps, t, self.loss.prediction)
        return (output.float() - target.float()).square().mean(dim=(1, 2, 3))

    @torch.no_grad()
    def measure_reliance(
        self, backbone: nn.Module, x_0: Tensor, ranges: int = 3, seed: int = 0
    ) -> dict[str, float]:
        """Measure how much the prediction rests on the features (reconstruction).

        ::

            reliance = 1 - L(features of the image) / L(features of another image)

        x_t, t and noise are the image's own in both; only the features are exchanged. Near 0 the
        decoder denoises without the encoder, and no image content is asked of it.

        Args:
            backbone (nn.Module): The query backbone, in the mode to be measured.
            x_0 (Tensor): N x C x H x W standardised images as the branch sees them, N at least 2.
            ranges (int): Equal parts of the steps that are drawn. Defaults to 3.
            seed (int): Of the noise. Defaults to 0.

        Returns:
            dict[str, float]: ``all`` steps together; ``1``, ``2``, ... the ranges from little noise
            to much; ``deepest``, all steps with only the deepest level exchanged.
        """
        generator = torch.Generator().manual_seed(seed)
        last, rows = self.schedule.drawn_steps, len(x_0)
        own: list[Tensor] = []
        other: list[Tensor] = []
        deepest: list[Tensor] = []
        for part in range(ranges):
            place = (torch.arange(rows) + 0.5) / rows  # spread evenly over the range
            t = ((part + place) / ranges * last).long().to(x_0.device)
            eps = torch.randn(x_0.shape, generator=generator).to(x_0)
            x_t = self.schedule.add_noise(x_0, eps, t)
            feats = self._features(backbone, x_0, x_t)
            moved_feats = [feat.roll(1, 0) for feat in feats]
            level = self.decoder.levels[-1]
            mixed_feats = [*feats[:level], moved_feats[level], *feats[level + 1 :]]
            for errors, given_feats in ((own, feats), (other, moved_feats), (deepest, mixed_feats)):
                errors.append(
                    self._squared_error(self.decoder(given_feats, x_t, t), x_0, eps, t).mean()
                )
        sums = torch.stack([torch.stack(errors) for errors in (own, other, deepest)])
        values = 1 - sums[0] / sums[1].clamp(min=1e-12)
        total = 1 - sums[0].sum() / sums[1:].sum(dim=1).clamp(min=1e-12)
        reliance = {str(part + 1): value for part, value in enumerate(values.tolist())}
        return {'all': float(total[0]), **reliance, 'deepest': float(total[1])}

    @torch.no_grad()
    def denoise(
        self,
        backbone: nn.Module,
        x_0: Tensor,
        t: Tensor,
        eps: Tensor | None = None,
        features_of: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Noise images and estimate the clean ones in one step, for looking at.

        Args:
            backbone (nn.Module): The query backbone.
            x_0 (Tensor): N x C x H x W standardised images, not shrunk here: with ``shrink`` give
                them as small as the branch sees them.
            t (Tensor): N steps.
            eps (Tensor, optional): The noise to add; drawn when not given.
            features_of (Tensor, optional): N x C x H x W other images whose features, noised by the
                same noise, the decoder is given instead. Defaults to None, those of ``x_0``.

        Returns:
            tuple[Tensor, Tensor]: x_t and the estimate of x_0.
        """
        eps = torch.randn_like(x_0) if eps is None else eps
        x_t = self.schedule.add_noise(x_0, eps, t)
        shown_images = x_0 if features_of is None else features_of
        feats = self._features(
            backbone, shown_images, self.schedule.add_noise(shown_images, eps, t)
        )
        output = self.decoder(feats, x_t, t)
        return x_t, self.schedule.estimate_x0(output, x_t, t, self.loss.prediction)

    def _features(self, backbone: nn.Module, x_0: Tensor, x_t: Tensor) -> Sequence[Tensor]:
        """Return the pyramid that the decoder is fed outside of training."""
        return backbone(x_0) if self.encoder_input == 'clean' else self._encode(backbone, x_t)

    def _encode(self, backbone: nn.Module, x_t: Tensor) -> Sequence[Tensor]:
        with self.statistics.lend(backbone):
            return backbone(x_t)

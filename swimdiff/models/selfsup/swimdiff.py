"""SwiMDiff: two branches on one encoder and their joint loss, L = lambda_C L_C + lambda_D L_D.

Tian, Lei, Zhang, Xie and Li, "SwiMDiff: Scene-wide Matching Contrastive Learning with Diffusion
Constraint for Remote Sensing Image", IEEE TGRS 62, 2024 (arXiv 2401.05093). There is no official
code; each component says what of it is the paper's and what is a reconstruction.
"""

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from mmpretrain.structures import DataSample
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.models.norm.batch_norm import convert_batch_norm
from swimdiff.models.norm.shuffle_bn import key_order, shuffle_images
from swimdiff.models.selfsup.gradient_share import measure_gradients
from swimdiff.models.selfsup.utils import (
    embedding_channels,
    freeze_unused,
    gather_keys,
    probe_pyramid,
    scene_ids,
)
from swimdiff.registry import MODELS

__all__ = ['SwiMDiff']

_PLAIN_PREPROCESSOR = dict(type='mmpretrain.SelfSupDataPreprocessor')


@MODELS.register_module()
class SwiMDiff(BaseSelfSupervisor):
    """Contrast with momentum and scene-wide matching, constrained by denoising.

    With ``rule='none'`` in the head and ``lambda_d=0`` this is MoCo v2.

    Args:
        backbone (dict): Query encoder f_q: any ``mmpretrain`` backbone. Its ``in_channels`` is the
            number of bands; ``out_indices`` must give the pyramid that the decoder is to use.
        neck (dict): Projection h: takes the pyramid, returns N x D. Its ``in_channels`` is filled
            in from the backbone.
        head (dict): Scene-matching head. It is given the queue's own memory, which the push of the
            same step changes: what it keeps of it for the backward pass it has to copy (autograd
            raises if it does not).
        queue (dict): Queue of past keys and their scenes. Its ``channels`` is the length of the
            embedding and is filled in from the neck.
        momentum_encoder (dict): Key encoder f_k, h_k.
        diffusion (dict, optional): Diffusion branch. Defaults to None, no branch.
        lambda_c (float): Weight of the contrastive loss, at least 0. Defaults to 1.
        lambda_d (float): Weight of the diffusion loss, at least 0; at 0 the branch is not built and
            costs nothing. Defaults to 3 (reconstruction: the paper's weights were not at hand;
            docs/evidence/defaults.md).
        batch_keys (bool): What becomes of the other keys of the current batch. False, as in MoCo:
            they are neither negatives nor mates now and meet later queries through the queue. True:
            they join the queue as candidates at once, those of the query's own scene under the
            head's rule, which a sampler that puts a scene's images into one batch needs. A query's
            own positive is never counted twice. Defaults to False.
        batch_norm (str | int): Over which images batch norm takes its statistics: 'process', those
            of each process; 'global', all of the global batch (SyncBN); a number R, each of R
            groups of it, for any number of processes that divides R. With the last two the run
            does not depend on the number of processes. Defaults to 'process'.
        shuffle_bn (bool): Shuffle the key views across processes or groups, so that batch-norm
            statistics do not tell a query its key (MoCo). No effect where one batch norm sees the
            whole batch, or there is none. Defaults to True.
        channels_last (bool): Keep weights and images with the channels innermost in memory, which
            convolutions are faster with (docs/evidence/speed.md). Results differ by rounding only,
            and checkpoints load either way. Defaults to False; the configs set it.
        data_preprocessor (dict, optional): See :class:`MultiBandPreprocessor`. Defaults to None,
            which takes views as they come.
        init_cfg (dict, optional): Initialisation. Defaults to None.

    Raises:
        ConfigError: If a weight is negative or ``lambda_d`` asks for a branch that is not given.

    Example::

        model = dict(
            type='SwiMDiff',
            backbone=dict(
                type='mmpretrain.ResNet', depth=50, in_channels=3, out_indices=(0, 1, 2, 3)
            ),
            neck=dict(type='ProjectionNeck'),
            head=dict(type='SceneMatchingHead', rule='relative', temperature=0.07),
            queue=dict(type='SceneQueue', length=16384),
            momentum_encoder=dict(type='MomentumEncoder', momentum=0.999),
            diffusion=dict(type='DiffusionBranch'),
        )
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        queue: dict,
        momentum_encoder: dict,
        diffusion: dict | None = None,
        lambda_c: float = 1.0,
        lambda_d: float = 3.0,
        batch_keys: bool = False,
        batch_norm: str | int = 'process',
        shuffle_bn: bool = True,
        channels_last: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if lambda_c < 0 or lambda_d < 0:
            raise ConfigError(f'SwiMDiff: weights must be >= 0, got {lambda_c} and {lambda_d}')
        if lambda_d > 0 and diffusion is None:
            raise ConfigError(
                f'SwiMDiff: lambda_d={lambda_d} but no `diffusion` branch; set it or lambda_d=0'
            )
        encoder = MODELS.build(backbone)
        pyramid = probe_pyramid(encoder, backbone.get('in_channels', 3))
        projection = MODELS.build({'in_channels': pyramid['in_channels'][-1], **neck})
        by_parts = convert_batch_norm([encoder, projection], batch_norm)
        encoder.shard_as_unit = projection.shard_as_unit = True  # see encoder_units
        super().__init__(
            backbone=encoder,
            neck=projection,
            head=MODELS.build(head),
            data_preprocessor=MODELS.build(data_preprocessor or _PLAIN_PREPROCESSOR),
            init_cfg=init_cfg,
        )
        channels = embedding_channels(projection, pyramid['in_channels'])
        self.queue = MODELS.build({'channels': channels, **queue})
        copied_parts = {'backbone': encoder, 'neck': projection}
        self.momentum_encoder = MODELS.build({**copied_parts, **momentum_encoder})
        self.diffusion = None
        if lambda_d > 0:
            shared_parts = {'backbone': encoder, 'pyramid': pyramid}
            self.diffusion = MODELS.build({**shared_parts, **diffusion})  # type: ignore[dict-item]
        used_levels = {len(pyramid['strides']) - 1}
        used_levels |= set(self.diffusion.decoder.levels) if self.diffusion is not None else set()
        freeze_unused(encoder, sorted(used_levels), pyramid['image_channels'])
        self.register_load_state_dict_pre_hook(_start_from_queries)
        self.lambda_c = lambda_c
        self.lambda_d = lambda_d
        self.batch_keys = batch_keys
        self.watch_gradients = False  # switched on for a step by GradientShareHook
        self.groups = batch_norm if isinstance(batch_norm, int) else 0
        self.shuffle_bn = shuffle_bn and by_parts
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self.memory_format)

    def init_weights(self) -> None:
        """Initialise the query side, then start from it what copies it."""
        super().init_weights()
        self.momentum_encoder.copy_from(self.backbone, self.neck)
        if self.diffusion is not None:
            self.diffusion.statistics.copy_from(self.backbone)

    def loss(self, inputs: list[Tensor], data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the losses (paper, figure 2) and push the keys into the queue.

        Args:
            inputs (list[Tensor]): Query and key views, each N x C x H x W, standardised; and plain
                ones, where the diffusion branch is to see those.
            data_samples (list[DataSample]): N samples with ``scene_id``.

        Returns:
            dict[str, Tensor]: ``loss_contrast`` = lambda_C L_C, ``loss_diffusion`` = lambda_D L_D
            where the branch is on, and the scalars that head and branch log.
        """
        views = [x.contiguous(memory_format=self.memory_format) for x in inputs]
        x_q, x_k = views[:2]
        scenes = scene_ids(data_samples, x_q.device)  # N

        # query, key
        feats_q = self.backbone(x_q)  # pyramid
        z_q = F.normalize(self.neck(feats_q).float(), dim=1)  # NxD
        self.momentum_encoder.update(self.backbone, self.neck)
        keys, key_scenes, own = self.embed_keys(x_k, scenes)  # MxD, M, N
        z_k = keys[own]  # NxD

        # scene-wide matching against the queue
        candidates, candidate_scenes = self.queue.keys, self.queue.scenes  # KxD, K
        if self.batch_keys:
            candidates = torch.cat([keys, candidates])
            candidate_scenes = torch.cat([key_scenes, candidate_scenes])
        match_results = self.head(
            z_q, z_k, scenes, candidates, candidate_scenes, own if self.batch_keys else None
        )
        self.queue.push(keys, key_scenes)
        losses = {'loss_contrast': self.lambda_c * match_results.pop('loss'), **match_results}

        # noised view -> denoise
        if self.diffusion is not None:
            diffusion_results = self.diffusion(self.backbone, views, feats_q)
            losses['loss_diffusion'] = self.lambda_d * diffusion_results.pop('loss')
            losses.update({f'diffusion_{name}': value for name, value in diffusion_results.items()})
        return losses

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the losses; where asked, measure what each asks of the encoder."""
        total, log_values = super().parse_losses(losses)
        if self.watch_gradients:
            log_values.update(measure_gradients(losses, self.backbone))
        return total, log_values

    @torch.no_grad()
    def embed_keys(self, x_k: Tensor, scenes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embed key views with the momentum encoder and gather those of all processes.

        Args:
            x_k (Tensor): N x C x H x W standardised key views.
            scenes (Tensor): N int64 scene ids.

        Returns:
            tuple[Tensor, Tensor, Tensor]: M x D unit-length keys and M scene ids of the global
            batch, and the N places of this process's own, see :func:`gather_keys`.
        """
        order = None
        if self.shuffle_bn and max(get_world_size(), self.groups) > 1:
            order = key_order(len(x_k))
            x_k = shuffle_images(x_k, order)
        return gather_keys(F.normalize(self.momentum_encoder(x_k).float(), dim=1), scenes, order)

    def denoise(
        self,
        x_0: Tensor,
        t: Tensor,
        eps: Tensor | None = None,
        features_of: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Noise standardised images at steps t and estimate them back.

        See DiffusionBranch.
        """
        if self.diffusion is None:
            raise ConfigError('SwiMDiff: this model was built without a diffusion branch')
        return self.diffusion.denoise(self.backbone, x_0, t, eps, features_of)


def _start_from_queries(
    model: 'SwiMDiff', state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Let weights of a query encoder alone (``load_from`` a backbone) start what copies it."""
    query = f'{prefix}backbone.'
    if model.diffusion is not None and any(name.startswith(query) for name in state):
        model.diffusion.statistics.complete(state, f'{prefix}diffusion.statistics.', query)
    key = f'{prefix}momentum_encoder.'
    if any(name.startswith(key) for name in state):
        return
    for name in list(state):
        part = name.removeprefix(prefix)
        if name.startswith(prefix) and part.startswith(('backbone.', 'neck.')):
            state[key + part] = state[name]

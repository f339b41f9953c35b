"""What all rows of ``step.py`` share: sizes, precision, tensors, optimiser."""

import copy
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from swimdiff.launch.launch import set_precision
from swimdiff.launch.paths import find_config
from swimdiff.models.selfsup.utils import probe_pyramid
from swimdiff.registry import MODELS

#: Config and timm's name, by backbone.
BACKBONES = {
    'resnet18': ('swimdiff_r18_seco.py', 'resnet18'),
    'resnet50': ('swimdiff_r50_seco.py', 'resnet50'),
    'convnext-t': ('swimdiff_convnext-t_seco.py', 'convnext_tiny'),
    'swin-t': ('swimdiff_swin-t_seco.py', 'swin_tiny_patch4_window7_224'),
}
DTYPES = dict(fp32='float32', bf16='bfloat16', fp16='float16')


@dataclass
class Setting:
    """Hold one setting; all rows share its tensors."""

    backbone: str = 'resnet18'
    batch: int = 16
    size: int = 224
    precision: str = 'fp32'
    channels_last: bool | None = None
    queue: int = 65536
    device: torch.device = field(default_factory=lambda: torch.device('cpu'))

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        name, self.timm_name = BACKBONES[self.backbone]
        self.config = Config.fromfile(find_config(name))
        self.config.model.queue.length = self.queue
        if self.channels_last is not None:
            self.config.model.channels_last = self.channels_last
        if self.precision != 'fp32':
            set_precision(self.config, DTYPES[self.precision])
        shape = (self.batch, 3, self.size, self.size)
        self.views: list[Tensor] = [torch.randn(shape, device=self.device) for _ in range(2)]
        # As in a run, so that noise is drawn as there.
        hub = MessageHub.get_instance('step_benchmark')
        for key, value in dict(loop_stage='train', seed=0, iter=0, max_iters=1).items():
            hub.update_info(key, value)
        # Pairs of images share a scene, as with a sampler that draws several of each.
        metas = [dict(scene_id=i // 2) for i in range(self.batch)]
        self.samples = [DataSample(metainfo=meta) for meta in metas]

    def model(self, **options: Any) -> BaseModel:
        """Build the self-supervisor with some options changed, its queue full.

        Args:
            **options: Dotted names of the model's config and their values, given as ``**{...}``.
        """
        config = Config(dict(model=copy.deepcopy(self.config.model)))
        config.merge_from_dict({f'model.{name}': value for name, value in options.items()})
        model = MODELS.build(config.model).to(self.device)
        model.train()
        model.queue.scenes.random_(10**4)
        return model

    def batch_of(self, inputs: list[Tensor]) -> dict:
        """Return what the engine's step is given."""
        return dict(inputs=inputs, data_samples=self.samples)

    def images(self) -> list[Tensor]:
        """Draw two views as the loader gives them: uint8, on the host, maybe pinned."""
        shape = self.views[0].shape
        views = [torch.randint(256, shape, dtype=torch.uint8) for _ in range(2)]
        return [view.pin_memory() for view in views] if self.device.type == 'cuda' else views

    def last_level(self) -> dict:
        """Return the backbone's config, giving its last level only."""
        return {**self.config.model.backbone, 'out_indices': (3,)}

    def width(self) -> int:
        """Return the channels of the last level."""
        return probe_pyramid(MODELS.build(self.last_level()), 3)['in_channels'][-1]

    def wrapper(self, model: nn.Module) -> OptimWrapper:
        """Wrap the optimiser of the config as the engine does, with the precision."""
        return build_optim_wrapper(model, self.config.optim_wrapper)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of the config alone."""
        return self.wrapper(model).optimizer

    def autocast(self) -> AbstractContextManager:
        """Autocast to the precision asked for, or nothing."""
        return torch.autocast(
            self.device.type,
            dtype=getattr(torch, DTYPES[self.precision]),
            enabled=self.precision != 'fp32',
        )

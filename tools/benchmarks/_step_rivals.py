"""The bare floor and other projects' MoCo v2 for ``step.py``, each as one training step.

Each is given the same backbone size, embedding, queue, tensors and optimiser, and no augmentation.
A project that is not installed raises ImportError.
"""

import copy
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _step_setting import Setting
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from swimdiff.registry import MODELS

Step = Callable[[], object]
TEMPERATURE = 0.07
EMBEDDING = 128


def plain_step(setting: Setting, module: nn.Module, loss: Callable[[], Tensor]) -> Step:
    """Forward under autocast where asked for, backward, SGD: what every step shares."""
    optimizer = setting.optimizer(module)

    def step() -> None:
        with setting.autocast():
            value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


class Encoder(nn.Module):
    """Average the last level of the backbone, and apply MoCo v2's perceptron."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.backbone = MODELS.build(setting.last_level())
        width = setting.width()
        self.neck = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, EMBEDDING)
        )

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W images to N x D, not normalised."""
        return self.neck(self.backbone(x)[-1].mean(dim=(2, 3)))


def floor(setting: Setting, channels_last: bool = False) -> tuple[Step, nn.Module]:
    """Query forward and backward, key forward, SGD, queue product; nothing else.

    No momentum update, no push, no scene, no logging: no method is this little.
    """
    query = Encoder(setting).to(setting.device)
    x_q, x_k = setting.views
    if channels_last:
        query.to(memory_format=torch.channels_last)
        x_q, x_k = (x.contiguous(memory_format=torch.channels_last) for x in (x_q, x_k))
    key = copy.deepcopy(query).requires_grad_(False)
    queue = F.normalize(torch.randn(EMBEDDING, setting.queue, device=setting.device), dim=0)
    first = torch.zeros(len(x_q), dtype=torch.long, device=setting.device)

    def loss() -> Tensor:
        z_q = F.normalize(query(x_q), dim=1)
        with torch.no_grad():
            z_k = F.normalize(key(x_k), dim=1)
        logits = torch.cat([(z_q * z_k).sum(dim=1, keepdim=True), z_q @ queue], dim=1)
        return F.cross_entropy(logits / TEMPERATURE, first)

    return plain_step(setting, query, loss), query


def mmpretrain(setting: Setting) -> tuple[Step, nn.Module]:
    """Build the engine's own MoCo, by the engine's own step."""
    width = setting.width()
    model = MODELS.build(
        dict(
            type='mmpretrain.MoCo',
            data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor'),
            backbone=setting.last_level(),
            neck=dict(
                type='mmpretrain.MoCoV2Neck',
                in_channels=width,
                hid_channels=width,
                out_channels=EMBEDDING,
            ),
            head=dict(
                type='mmpretrain.ContrastiveHead',
                loss=dict(type='mmpretrain.CrossEntropyLoss'),
                temperature=TEMPERATURE,
            ),
            queue_len=setting.queue,
            feat_dim=EMBEDDING,
            momentum=0.001,
        )
    ).to(setting.device)
    wrapper = setting.wrapper(model)
    data = dict(inputs=setting.views, data_samples=[DataSample() for _ in setting.views[0]])
    return lambda: model.train_step(data, wrapper), model


def lightly(setting: Setting) -> tuple[Step, nn.Module]:
    """MoCo as in lightly's examples, of its parts."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules.heads import MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    class MoCo(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = MODELS.build(setting.last_level())
            self.projection_head = MoCoProjectionHead(setting.width(), setting.width(), EMBEDDING)
            self.backbone_momentum = copy.deepcopy(self.backbone)
            self.projection_head_momentum = copy.deepcopy(self.projection_head)
            deactivate_requires_grad(self.backbone_momentum)
            deactivate_requires_grad(self.projection_head_momentum)

    model = MoCo().to(setting.device)
    criterion = NTXentLoss(TEMPERATURE, memory_bank_size=(setting.queue, EMBEDDING))
    criterion.to(setting.device)
    x_q, x_k = setting.views

    def loss() -> Tensor:
        update_momentum(model.backbone, model.backbone_momentum, m=0.999)
        update_momentum(model.projection_head, model.projection_head_momentum, m=0.999)
        query = model.projection_head(model.backbone(x_q)[-1].mean(dim=(2, 3)))
        with torch.no_grad():
            key = model.backbone_momentum(x_k)[-1].mean(dim=(2, 3))
            key = model.projection_head_momentum(key).detach()
        return criterion(query, key)

    return plain_step(setting, model, loss), model


def torchgeo(setting: Setting) -> tuple[Step, nn.Module]:
    """Build the step of torchgeo's MoCo task, version 2, without augmentations."""
    from torchgeo.trainers import MoCoTask

    width = setting.width()
    task = MoCoTask(
        model=setting.timm_name,
        version=2,
        layers=2,
        hidden_dim=width,
        output_dim=EMBEDDING,
        temperature=TEMPERATURE,
        memory_bank_size=setting.queue,
        moco_momentum=0.999,
        augmentation1=nn.Identity(),
        augmentation2=nn.Identity(),
    ).to(setting.device)
    batch = dict(image=torch.cat(setting.views, dim=1))

    def loss() -> Tensor:
        with warnings.catch_warnings():  # it logs to a trainer that is not there
            warnings.simplefilter('ignore')
            return task.training_step(batch, 0)

    return plain_step(setting, task, loss), task


RIVALS = dict(mmpretrain=mmpretrain, lightly=lightly, torchgeo=torchgeo)

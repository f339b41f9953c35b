"""The rows of ``step.py``: whole training steps, and each component of ours alone."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from _step_rivals import RIVALS, floor
from _step_setting import Setting
from torch import Tensor, nn

from swimdiff.engine import LazyRuntimeInfoHook
from swimdiff.engine.scaling.compiled_step_hook import exclude_optimizer
from swimdiff.models.diffusion.step_random import draw_noise
from swimdiff.models.selfsup.scene_matching_head import SceneMatchingHead
from swimdiff.registry import MODELS

Step = Callable[[], object]

MOCO = {'head.rule': 'none', 'lambda_d': 0}
OURS: dict[str, dict[str, Any]] = {
    'moco': MOCO,
    'matching': {'lambda_d': 0},
    'swimdiff': {},
    'moco, contiguous': {**MOCO, 'channels_last': False},
    'swimdiff, contiguous': {'channels_last': False},
    'swimdiff, half of the batch': {'diffusion.share': 0.5},
    'swimdiff, quarter of the batch': {'diffusion.share': 0.25},
    'swimdiff, half resolution': {'diffusion.shrink': 2},
    'swimdiff, shared features': {
        'diffusion.encoder_input': 'clean',
        'diffusion.decoder.skip_noised': True,
    },
    'swimdiff, decoder half as wide': {'diffusion.decoder.channels': (16, 24, 32, 48)},
    'swimdiff, decoder twice as wide': {'diffusion.decoder.channels': (64, 96, 128, 192)},
}


def ours(setting: Setting, options: dict, compiled: bool = False) -> tuple[Step, nn.Module]:
    """Build a step of our model by the engine's ``train_step``, maybe compiled."""
    model = setting.model(**options)
    wrapper, data = setting.wrapper(model), setting.batch_of(setting.views)
    if compiled:
        exclude_optimizer(wrapper)
        model.train_step = torch.compile(model.train_step)
    return lambda: model.train_step(data, wrapper), model


def steps(setting: Setting, compiled: bool) -> dict[str, Callable[[], tuple[Step, nn.Module]]]:
    """Return makers of every whole step, by name."""
    makers: dict[str, Callable[[], tuple[Step, nn.Module]]] = {
        'floor': lambda: floor(setting),
        'floor, channels last': lambda: floor(setting, channels_last=True),
    }
    for name, rival in RIVALS.items():
        makers[name] = lambda rival=rival: rival(setting)
    for name, options in OURS.items():
        makers[name] = lambda options=options: ours(setting, options)
    for name in ('moco', 'swimdiff') if compiled else ():
        makers[f'{name}, compiled'] = lambda name=name: ours(setting, OURS[name], compiled=True)
    return makers


def logged_step(setting: Setting) -> Step:
    """Build a full step as in a run, from uint8 on the host to the log."""
    preprocessor = dict(type='MultiBandPreprocessor', bands=('B04', 'B03', 'B02'))
    model = setting.model(data_preprocessor=preprocessor)
    wrapper, data = setting.wrapper(model), setting.batch_of(setting.images())
    hook, runner = LazyRuntimeInfoHook(interval=10**9), SimpleNamespace(train_dataloader=range(9))

    def step() -> None:
        hook.after_train_iter(runner, 0, data, model.train_step(data, wrapper))

    return step


class Components:
    """Run each part of a full step alone, with the gradients it has in a step."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.model = model = setting.model()
        self.x_q, self.x_k = (
            x.contiguous(memory_format=model.memory_format) for x in setting.views
        )
        self.scenes = torch.arange(len(self.x_q), device=setting.device) // 2
        keys = torch.randn(len(self.x_q), model.queue.keys.shape[1], device=setting.device)
        self.z = F.normalize(keys, dim=1)
        self.preprocessor = MODELS.build(
            dict(type='MultiBandPreprocessor', bands=('B04', 'B03', 'B02'))
        ).to(setting.device)
        self.images = setting.images()
        self.wrapper = setting.wrapper(model)
        with torch.no_grad(), setting.autocast():
            self.feats = [feat.detach() for feat in model.backbone(self.x_q)]
        self.t = torch.randint(1000, (len(self.x_q),), device=setting.device)

    def rows(self) -> dict[str, Step]:
        """Return the components by name; the optimiser last, as it needs gradients."""
        model = self.model
        return {
            'preprocessor, two views': self.preprocess,
            'query encoder, forward and backward': self.query,
            'key encoder, forward': self.key,
            'momentum update': lambda: model.momentum_encoder.update(model.backbone, model.neck),
            'queue product and loss, rule none': self.matching('none'),
            'queue product and loss, rule relative': self.matching('relative'),
            'queue push': lambda: model.queue.push(self.z, self.scenes),
            'noise': self.noise,
            'noised pass, forward and backward': self.noised,
            'decoder, forward and backward': self.decode,
            'diffusion branch': self.diffuse,
            'optimiser': self.optimise,
        }

    def preprocess(self) -> None:
        """Bring two uint8 views to the device and standardise them."""
        self.preprocessor(self.setting.batch_of(self.images), True)

    def query(self) -> None:
        """Run f_q and h_q, forward and backward."""
        with self.setting.autocast():
            z = self.model.neck(self.model.backbone(self.x_q)).float()
        self._backward(z.square().sum(), self.model)

    def key(self) -> None:
        """Run f_k and h_k, forward."""
        with self.setting.autocast():
            self.model.embed_keys(self.x_k, self.scenes)

    def matching(self, rule: str) -> Step:
        """Return the head at the length of the queue, to the gradient of embeddings."""
        head, queue = SceneMatchingHead(rule), self.model.queue

        def step() -> None:
            z = self.z.clone().requires_grad_()
            head(z, self.z, self.scenes, queue.keys, queue.scenes)['loss'].backward()

        return step

    def noise(self) -> Tensor:
        """Draw steps and noise, and add it."""
        t, eps = draw_noise(self.x_q, len(self.x_q), self.model.diffusion.schedule)
        return self.model.diffusion.schedule.add_noise(self.x_q, eps, t)

    def noised(self) -> None:
        """Run the second pass through f_q."""
        with self.setting.autocast():
            feats = self.model.diffusion._encode(self.model.backbone, self.x_q)
        self._backward(sum(feat.float().mean() for feat in feats), self.model)

    def decode(self) -> None:
        """Run the decoder, with gradients to the features."""
        feats = [feat.clone().requires_grad_() for feat in self.feats]
        with self.setting.autocast():
            output = self.model.diffusion.decoder(feats, self.x_q, self.t)
        self._backward(output.float().square().mean(), self.model)

    def diffuse(self) -> None:
        """Run all of the branch."""
        with self.setting.autocast():
            loss = self.model.diffusion(self.model.backbone, (self.x_q, self.x_k), self.feats)[
                'loss'
            ]
        self._backward(loss, self.model)

    def optimise(self) -> None:
        """Run the optimiser's step on gradients that are there."""
        for parameter in self.model.parameters():
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.wrapper.optimizer.step()

    @staticmethod
    def _backward(loss: Tensor, model: nn.Module) -> None:
        model.zero_grad(set_to_none=True)
        loss.backward()

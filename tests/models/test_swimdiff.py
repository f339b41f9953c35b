"""The self-supervisor: MoCo v2 is a special case, branches switch off, keys gather across ranks."""

import copy

import pytest
import torch
import torch.multiprocessing as mp
from mmpretrain.structures import DataSample
from torch import distributed

from swimdiff.errors import ConfigError
from swimdiff.models.scene_queue import EMPTY
from swimdiff.models.utils import gather_keys
from swimdiff.registry import MODELS

RESNET = dict(type='mmpretrain.ResNet', depth=18, out_indices=(0, 1, 2, 3))


def build(**options):
    config = dict(
        type='SwiMDiff',
        backbone=RESNET,
        neck=dict(type='ProjectionNeck', out_channels=16),
        head=dict(type='SceneMatchingHead', rule='soft'),
        queue=dict(type='SceneQueue', length=12),
        momentum_encoder=dict(type='MomentumEncoder', momentum=0.9),
        diffusion=dict(type='DiffusionBranch'),
        data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor'),
    )
    torch.manual_seed(0)
    return MODELS.build({**config, **options})


def samples(*ids):
    return [DataSample(metainfo=dict(scene_id=i)) for i in ids]


def views(n=4, size=64):
    return [torch.randn(n, 3, size, size), torch.randn(n, 3, size, size)]


def test_rule_none_without_diffusion_is_moco_v2():
    """Three SGD steps beside mmpretrain's MoCo from the same weights: same losses, same queue."""
    ours = build(
        head=dict(type='SceneMatchingHead', rule='none', temperature=0.2),
        diffusion=None,
        lambda_d=0,
    )
    ours.queue.scenes.zero_()  # as MoCo, start from a queue of random keys that count
    moco = MODELS.build(
        dict(
            type='mmpretrain.MoCo',
            data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor'),
            backbone={**RESNET, 'out_indices': (3,)},
            neck=dict(
                type='mmpretrain.MoCoV2Neck', in_channels=512, hid_channels=512, out_channels=16
            ),
            head=dict(
                type='mmpretrain.ContrastiveHead',
                loss=dict(type='mmpretrain.CrossEntropyLoss'),
                temperature=0.2,
            ),
            queue_len=12,
            feat_dim=16,
            momentum=0.1,
        )
    )
    moco.backbone.load_state_dict(ours.backbone.state_dict())
    moco.neck.mlp.load_state_dict(ours.neck.layers.state_dict())
    moco.encoder_k.module[0].load_state_dict(ours.backbone.state_dict())
    moco.encoder_k.module[1].mlp.load_state_dict(ours.neck.layers.state_dict())
    moco.encoder_k.steps.fill_(1)  # the engine copies instead of averaging in its first step
    moco.queue.copy_(ours.queue.keys.T)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.05) for model in (ours, moco)]
    for _ in range(3):
        inputs = views()
        losses = []
        for model, optimizer in zip((ours, moco), optimizers, strict=True):
            out = model.loss(copy.deepcopy(inputs), samples(0, 0, 1, 2))
            loss = out['loss_contrast' if model is ours else 'loss']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], abs=2e-4)
    assert torch.allclose(ours.queue.keys, moco.queue.T, atol=1e-4)


def test_joint_loss_is_the_weighted_sum_and_is_logged():
    model = build(lambda_c=0.5, lambda_d=2.0)
    inputs = views()
    torch.manual_seed(1)
    once = copy.deepcopy(model).loss(inputs, samples(0, 0, 1, 2))
    torch.manual_seed(1)
    plain = copy.deepcopy(model)
    plain.lambda_c = plain.lambda_d = 1.0
    raw = plain.loss(inputs, samples(0, 0, 1, 2))
    assert once['loss_contrast'].item() == pytest.approx(0.5 * raw['loss_contrast'].item())
    assert once['loss_diffusion'].item() == pytest.approx(2 * raw['loss_diffusion'].item())
    total, log = model.parse_losses(once)
    assert total.item() == pytest.approx(sum(once[k].item() for k in once if 'loss' in k))
    assert {'positive_similarity', 'scene_mates', 'mates_mass', 'feature_std'} <= set(log)


def test_mates_are_met_through_the_queue_or_at_once():
    later, at_once = build(), build(batch_keys=True)
    for model, expected in ((later, [0.0, 1.5]), (at_once, [0.5, 2.0])):
        # two of four share a scene; the second batch meets the first in the queue
        met = [model.loss(views(), samples(5, 5, 1, 2))['scene_mates'].item() for _ in range(2)]
        assert met == pytest.approx(expected)
        assert model.queue.scenes.tolist()[:8] == [5, 5, 1, 2] * 2
        assert model.queue.scenes.tolist()[8:] == [EMPTY] * 4


def test_lambda_d_zero_builds_and_computes_nothing():
    model = build(lambda_d=0)
    assert model.diffusion is None
    assert not any('decoder' in name for name, _ in model.named_parameters())
    assert 'loss_diffusion' not in model.loss(views(), samples(0, 1, 2, 3))


def test_initialisation_starts_the_key_encoder_from_the_query_encoder():
    model = build()
    torch.manual_seed(7)
    model.init_weights()
    for mine, theirs in zip(
        model.momentum_encoder.parameters(),
        [*model.backbone.parameters(), *model.neck.parameters()],
        strict=True,
    ):
        assert torch.equal(mine, theirs)


def test_clear_errors():
    with pytest.raises(ConfigError, match='diffusion'):
        build(diffusion=None)
    with pytest.raises(ConfigError, match='weights'):
        build(lambda_c=-1)
    with pytest.raises(ConfigError, match='scene_id'):
        build().loss(views(1), [DataSample()])


def _gather(rank, world, path, results):
    distributed.init_process_group('gloo', f'file://{path}', rank=rank, world_size=world)
    batch = torch.arange(12.0).view(6, 2)
    ids = torch.tensor([2**40 + 1, 0, 7, 2**62 - 1, 5, 6])
    keys, scenes, positions = gather_keys(batch[rank::world], ids[rank::world])
    results.put((torch.equal(keys, batch), torch.equal(scenes, ids), positions.tolist()))
    distributed.destroy_process_group()


@pytest.mark.parametrize('world', [2, 3])
def test_every_rank_gathers_keys_and_ids_in_the_sampler_s_order(world, tmp_path):
    results = mp.get_context('fork').SimpleQueue()
    arguments = (world, tmp_path / 'store', results)
    mp.start_processes(_gather, arguments, nprocs=world, start_method='fork')
    got = [results.get() for _ in range(world)]
    assert all(same_keys and same_ids for same_keys, same_ids, _ in got)
    assert sorted(p for *_, positions in got for p in positions) == list(range(6))

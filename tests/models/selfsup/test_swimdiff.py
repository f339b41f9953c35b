"""The self-supervisor: MoCo v2 is a special case, branches switch off, keys gather across ranks."""

import copy

import pytest
import torch
import torch.multiprocessing as mp
from fixtures.naive import naive_loss
from mmpretrain.structures import DataSample
from torch import distributed

from swimdiff.errors import ConfigError
from swimdiff.models.norm.shuffle_bn import key_order, shuffle_images
from swimdiff.models.selfsup.scene_queue import EMPTY
from swimdiff.models.selfsup.utils import gather_keys
from swimdiff.registry import MODELS

RESNET = dict(
    type='mmpretrain.ResNet',
    depth=18,
    out_indices=(0, 1, 2, 3),
    stem_channels=16,
    base_channels=16,
)


def build(**options):
    config = dict(
        type='SwiMDiff',
        backbone=RESNET,
        neck=dict(type='ProjectionNeck', out_channels=16),
        head=dict(type='SceneMatchingHead', rule='relative'),
        queue=dict(type='SceneQueue', length=12),
        momentum_encoder=dict(type='MomentumEncoder', momentum=0.9),
        diffusion=dict(type='DiffusionBranch'),
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
                type='mmpretrain.MoCoV2Neck', in_channels=128, hid_channels=128, out_channels=16
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
    # Far higher rates amplify rounding: two threads then differ from one by 3e-3 in the third step.
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.01) for model in (ours, moco)]
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


@pytest.mark.parametrize('rule', ['relative', 'ignore'])
@pytest.mark.parametrize('anchor', ['query', 'key'])
def test_contrastive_loss_is_the_naive_loop_on_its_own_embeddings(rule, anchor):
    """Each query with its own key, its own scene and the queue as it was before the step."""
    model = build(head=dict(type='SceneMatchingHead', rule=rule, anchor=anchor), lambda_d=0)
    model.queue.push(torch.randn(9, 16), torch.tensor([0, 0, 1, 2, 2, 2, 3, 1, 0]))
    model.queue.keys.copy_(torch.nn.functional.normalize(model.queue.keys, dim=1))
    (x_q, x_k), scenes = views(), [2, 0, 3, 7]
    twin = copy.deepcopy(model)
    z_q = torch.nn.functional.normalize(twin.neck(twin.backbone(x_q)), dim=1)
    z_k = torch.nn.functional.normalize(twin.momentum_encoder(x_k), dim=1)
    expected, mass = naive_loss(
        model.head, z_q, z_k, torch.tensor(scenes), twin.queue.keys, twin.queue.scenes
    )
    out = model.loss([x_q, x_k], samples(*scenes))
    assert out['loss_contrast'].item() == pytest.approx(expected, abs=1e-4)
    assert out['mates_mass'].item() == pytest.approx(mass, abs=1e-4)
    # the keys entered in order, each with its scene
    slots = [(9 + i) % 12 for i in range(4)]
    assert torch.allclose(model.queue.keys[slots], z_k, atol=1e-5)
    assert model.queue.scenes[slots].tolist() == scenes


def test_the_diffusion_branch_gets_query_and_key_views():
    model, seen = build(), []
    model.diffusion.forward = lambda *inputs: seen.append(inputs) or dict(loss=torch.zeros(()))
    x_q, x_k = views()
    model.loss([x_q, x_k], samples(0, 1, 2, 3))
    backbone, (first, second), feats = seen[0]
    assert backbone is model.backbone and first is x_q and second is x_k
    assert [feat.shape[1] for feat in feats] == [16, 32, 64, 128]


SMALL_SWIN = dict(embed_dims=24, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8])


def test_any_neck_that_returns_vectors_will_do():
    @MODELS.register_module(force=True)
    class MaxNeck(torch.nn.Module):
        def __init__(self, in_channels):
            super().__init__()

        def forward(self, feats):
            return feats[-1].amax(dim=(2, 3))

    model = build(neck=dict(type='MaxNeck'))
    assert model.queue.keys.shape == (12, 128)
    assert 'loss_contrast' in model.loss(views(), samples(0, 1, 2, 3))


@pytest.mark.parametrize(
    'backbone',
    [
        dict(type='mmpretrain.SwinTransformer', arch=SMALL_SWIN, pad_small_map=True),
        dict(type='mmpretrain.ConvNeXt', arch='atto', gap_before_final_norm=False),
    ],
)
@pytest.mark.parametrize('levels', [None, (0, 2)])
def test_every_parameter_that_asks_for_a_gradient_gets_one(backbone, levels):
    """Distributed training stops at one that does not."""
    diffusion = levels and dict(
        type='DiffusionBranch', decoder=dict(levels=levels, channels=(8, 8, 8))
    )
    model = build(
        backbone={**backbone, 'out_indices': (0, 1, 2, 3)},
        diffusion=diffusion,
        lambda_d=1.0 if levels else 0.0,
    )
    total, _ = model.parse_losses(model.loss(views(2), samples(0, 1)))
    total.backward()
    missing = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not missing
    assert {n for n, p in model.backbone.named_parameters() if not p.requires_grad} == {
        f'norm{i}.{kind}'
        for i in range(3)
        if i not in (levels or ())
        for kind in ('weight', 'bias')
    }


def test_weights_of_a_backbone_start_the_key_encoder_too():
    model = build()
    weights = {f'backbone.{k}': v + 1 for k, v in model.backbone.state_dict().items()}
    model.load_state_dict(weights, strict=False)
    key = model.momentum_encoder.backbone.state_dict()
    assert all(torch.equal(weights[f'backbone.{name}'], key[name]) for name in key)
    whole = {k: v.clone() for k, v in model.state_dict().items()}
    whole['backbone.conv1.weight'] += 1  # a checkpoint with both is taken as it is
    model.load_state_dict(whole)
    assert not torch.equal(
        model.backbone.conv1.weight, model.momentum_encoder.backbone.conv1.weight
    )


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


def test_channels_last_changes_the_memory_and_not_the_run():
    plain, last = build(), build(channels_last=True)
    last.load_state_dict(plain.state_dict())  # and back again, below
    weight = last.momentum_encoder.backbone.layer1[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    pairs = zip(last.backbone.parameters(), last.momentum_encoder.parameters(), strict=False)
    assert all(a.stride() == b.stride() for a, b in pairs)  # else the update is not fused
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.05) for model in (plain, last)]
    for step in range(3):
        inputs, losses = views(), []
        for model, optimizer in zip((plain, last), optimizers, strict=True):
            torch.manual_seed(step)
            total, log = model.parse_losses(model.loss(inputs, samples(0, 0, 1, 2)))
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            losses.append(log)
        for name, value in losses[0].items():
            assert losses[1][name].item() == pytest.approx(value.item(), abs=5e-4), name
    plain.load_state_dict(last.state_dict())
    assert plain.backbone.conv1.weight.is_contiguous()


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
    mine = batch[rank::world]
    order = key_order(len(mine))
    dealt = shuffle_images(mine, order)
    returned = torch.equal(gather_keys(dealt * 2, ids[rank::world], order)[0], batch * 2)
    returned &= torch.equal(dealt, batch[order][rank::world])
    results.put(
        (
            torch.equal(keys, batch),
            torch.equal(scenes, ids),
            returned,
            positions.tolist(),
            dealt.tolist(),
        )
    )
    distributed.destroy_process_group()


@pytest.mark.parametrize('world', [2, 3])
def test_every_rank_gathers_keys_and_ids_in_the_sampler_s_order(world, tmp_path):
    results = mp.get_context('fork').SimpleQueue()
    arguments = (world, tmp_path / 'store', results)
    mp.start_processes(_gather, arguments, nprocs=world, start_method='fork')
    got = [results.get() for _ in range(world)]
    assert all(all(checks[:3]) for checks in got)
    assert sorted(p for *_, positions, _ in got for p in positions) == list(range(6))
    assert sorted(row[0] for each in got for row in each[-1]) == [0, 2, 4, 6, 8, 10]


def test_batch_norm_over_one_image_is_one_message_and_both_ways_out_work():
    neck = dict(type='ProjectionNeck', in_channels=8, out_channels=4, batch_norm=True)
    image = torch.randn(1, 8)
    with pytest.raises(ConfigError, match=r'raise train_dataloader.batch_size, or set model.neck'):
        MODELS.build(neck)(image)
    assert MODELS.build(neck)(torch.randn(2, 8)).shape == (2, 4)
    assert MODELS.build(dict(neck, batch_norm=False))(image).shape == (1, 4)
    assert MODELS.build(neck).eval()(image).shape == (1, 4)

"""The head against a naive double loop, closed forms and the engine's ContrastiveHead."""

import pytest
import torch
import torch.nn.functional as F
from fixtures.naive import naive_labels, naive_loss

from swimdiff.errors import ConfigError
from swimdiff.models.selfsup.scene_matching_head import SceneMatchingHead, plain_cross_entropy
from swimdiff.models.selfsup.scene_queue import EMPTY


def batch(n=6, k=40, d=16, scenes=4, empty=7, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def unit(*shape):
        return F.normalize(torch.randn(*shape, generator=generator), dim=-1)

    ids = torch.randint(scenes, (n,), generator=generator)
    queue_ids = torch.randint(scenes, (k,), generator=generator)
    queue_ids[k - empty :] = EMPTY
    return unit(n, d), unit(n, d), ids, unit(k, d), queue_ids


RULES = ('none', 'ignore', 'positive', 'scene', 'queue', 'relative', 'with_positive', 'floor')


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('anchor', ['query', 'key'])
@pytest.mark.parametrize('temperature', [0.1, 0.4])
def test_against_the_naive_loop(rule, anchor, temperature):
    options = dict(type=rule)
    if rule not in ('none', 'ignore', 'positive'):
        options['temperature'] = temperature
    if rule in ('scene', 'queue'):
        options['scale'] = 10 * temperature
    head = SceneMatchingHead(options, 0.2, anchor)
    data = batch()
    out = head(*data)
    loss, mass = naive_loss(head, *data)
    assert out['loss'].item() == pytest.approx(loss, abs=1e-5)
    assert out['mates_mass'].item() == pytest.approx(mass, abs=1e-5)
    mates = (data[2][:, None] == data[4][None]).sum(1).float().mean()
    assert out['scene_mates'] == mates


def test_rule_none_is_the_engine_s_contrastive_head():
    from mmpretrain.models.heads import ContrastiveHead

    z_q, z_k, ids, keys, key_ids = batch(empty=0)
    engine = ContrastiveHead(dict(type='mmpretrain.CrossEntropyLoss'), temperature=0.07)
    expected = engine.loss((z_q * z_k).sum(1, keepdim=True), z_q @ keys.T)
    ours = SceneMatchingHead('none', temperature=0.07)(z_q, z_k, ids, keys, key_ids)
    assert torch.allclose(ours['loss'], expected, atol=1e-6)


@pytest.mark.parametrize('rule', RULES)
def test_without_mates_every_rule_is_plain_infonce(rule):
    z_q, z_k, ids, keys, key_ids = batch()
    ids = ids + 100
    plain = SceneMatchingHead('none')(z_q, z_k, ids, keys, key_ids)['loss']
    out = SceneMatchingHead(rule)(z_q, z_k, ids, keys, key_ids)
    assert torch.allclose(out['loss'], plain, atol=1e-6)
    assert out['mates_mass'] == 0


def test_gradient_reaches_the_query_only_and_matches_finite_differences():
    z_q, z_k, ids, keys, key_ids = batch(n=2, k=8, d=4, empty=1)
    head = SceneMatchingHead('positive', temperature=0.5)
    z_q.requires_grad_()
    head(z_q, z_k, ids, keys, key_ids)['loss'].backward()
    step = torch.zeros_like(z_q)
    step[1, 2] = 1e-2
    with torch.no_grad():
        up = naive_loss(head, z_q + step, z_k, ids, keys, key_ids)[0]
        down = naive_loss(head, z_q - step, z_k, ids, keys, key_ids)[0]
    assert z_q.grad[1, 2].item() == pytest.approx((up - down) / 2e-2, abs=1e-3)


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('upstream', [1.0, 1024.0])
def test_gradient_is_autograd_s_though_the_queue_changes_before_it_is_asked_for(rule, upstream):
    z_q, z_k, ids, keys, key_ids = batch()
    head = SceneMatchingHead(rule, temperature=0.1)
    reference = z_q.clone().requires_grad_()
    l_neg = reference @ keys.T
    y = torch.zeros_like(l_neg)
    out = (key_ids == EMPTY).expand_as(y).clone()
    for i in range(len(ids)):
        known = {j: float(l_neg[i, j]) for j in range(len(keys)) if key_ids[j] != EMPTY}
        mates = [j for j in known if key_ids[j] == ids[i]]
        for j, label in naive_labels(head, known, float(z_q[i] @ z_k[i]), mates).items():
            y[i, j], out[i, j] = label or 0.0, label is None
    expected = plain_cross_entropy((reference * z_k).sum(1), l_neg, y, out, 0.1).mean()
    (upstream * expected).backward()

    mine = z_q.clone().requires_grad_()
    loss = head(mine, z_k, ids, keys, key_ids)['loss']
    keys.zero_()  # the push of the same step
    key_ids.zero_()
    (upstream * loss).backward()
    assert torch.allclose(loss, expected, atol=1e-6)
    assert torch.allclose(mine.grad, reference.grad, rtol=1e-4, atol=1e-6 * upstream)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    'rule',
    [
        'none',
        'ignore',
        'positive',
        *(
            dict(type=rule, temperature=0.001)
            for rule in ('scene', 'queue', 'relative', 'with_positive', 'floor')
        ),
    ],
)
def test_half_precision_and_extreme_similarities_stay_finite(dtype, rule):
    z = F.normalize(torch.ones(3, 8), dim=1).to(dtype).requires_grad_()
    keys = torch.cat([z.detach(), -z.detach()]).float()
    ids = torch.tensor([0, 1, 2])
    key_ids = torch.tensor([0, 0, 1, 1, 1, EMPTY])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = SceneMatchingHead(rule, temperature=0.01)(z, z.detach(), ids, keys, key_ids)
    assert out['loss'].dtype == torch.float32
    out['loss'].backward()
    assert torch.isfinite(out['loss']) and torch.isfinite(z.grad).all()


def test_an_empty_queue_gives_zero_loss_and_own_key_is_left_out():
    z_q, z_k, ids, keys, _ = batch()
    empty = torch.full((len(keys),), EMPTY)
    assert SceneMatchingHead()(z_q, z_k, ids, keys, empty)['loss'].abs() < 1e-6
    # the batch's own keys as candidates: only the other keys count
    own = torch.arange(len(z_k))
    out = SceneMatchingHead('none')(z_q, z_k, ids, z_k, ids, own)
    expected = F.cross_entropy(z_q @ z_k.T / 0.07, own)
    assert torch.allclose(out['loss'], expected, atol=1e-6)
    mates = SceneMatchingHead('relative')(z_q, z_k, ids, z_k, ids, own)['scene_mates']
    others = sum(int(a == b) for a in ids for b in ids) - len(ids)
    assert mates.item() == pytest.approx(others / len(ids))


def test_bad_options():
    with pytest.raises(ConfigError, match='anchor'):
        SceneMatchingHead(anchor='mate')
    with pytest.raises(ConfigError, match='positive'):
        SceneMatchingHead(temperature=0)
    # a config that an earlier version wrote
    with pytest.raises(ConfigError, match=r'label_temperature: .*options of the label rule now'):
        SceneMatchingHead(rule='soft', temperature=0.07, label_temperature=0.05)

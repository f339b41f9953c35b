"""The diffusion branch and its loss: hand-worked values, and what noise must never touch."""

import pytest
import torch
from torch import nn

from swimdiff.errors import ConfigError
from swimdiff.models.diffusion.diffusion_branch import DiffusionBranch
from swimdiff.models.diffusion.diffusion_loss import DiffusionLoss
from swimdiff.models.diffusion.noise_schedule import NoiseSchedule
from swimdiff.models.selfsup.utils import probe_pyramid
from swimdiff.registry import MODELS


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    thin = dict(depth=18, out_indices=(0, 1, 2, 3), stem_channels=16, base_channels=16)
    return MODELS.build(dict(type='mmpretrain.ResNet', **thin))


def branch(backbone, **options):
    return DiffusionBranch(backbone, probe_pyramid(backbone, 3), **options)


@pytest.mark.parametrize('prediction', ['eps', 'x0', 'v'])
@pytest.mark.parametrize('weighting', ['uniform', 'min_snr'])
def test_loss_is_the_weighted_squared_error(prediction, weighting):
    schedule, t = NoiseSchedule(), torch.tensor([3, 600])
    x_0, eps, output = (torch.randn(2, 3, 4, 4) for _ in range(3))
    loss = DiffusionLoss(prediction, weighting)(output, x_0, eps, t, schedule)
    expected = 0.0
    for i in range(2):
        a, b = schedule.signal[t[i]].item(), schedule.noise[t[i]].item()
        target = {'eps': eps[i], 'x0': x_0[i], 'v': a * eps[i] - b * x_0[i]}[prediction]
        snr = (a / b) ** 2
        scale = {'eps': snr, 'x0': 1.0, 'v': snr + 1}[prediction]
        weight = min(snr, 5.0) / scale if weighting == 'min_snr' else 1.0
        expected += weight * ((output[i] - target) ** 2).mean().item() / 2
    assert loss.item() == pytest.approx(expected, rel=1e-3)


def test_an_untrained_decoder_starts_at_the_variance_of_the_noise(backbone):
    x = torch.randn(8, 3, 64, 64)
    out = branch(backbone, loss=dict(prediction='eps'))(backbone, (x, x), backbone(x))
    assert out['loss'].item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize('encoder_input', ['noised', 'clean'])
@pytest.mark.parametrize('view', ['query', 'key'])
@pytest.mark.parametrize('prediction', ['eps', 'x0', 'v'])
def test_every_part_is_given_what_it_should_see(backbone, encoder_input, view, prediction):
    """Noise, steps, noised images and target of one pass, followed by hand."""
    if (encoder_input, view) == ('clean', 'key'):
        return  # refused, see test_bad_options
    made = branch(
        backbone,
        encoder_input=encoder_input,
        view=view,
        loss=dict(prediction=prediction),
        decoder=dict(skip_noised=True),
    )
    nn.init.normal_(made.decoder.out_conv.weight, std=0.1)
    seen = {'encoded': []}
    add_noise, decode = made.schedule.add_noise, made.decoder.forward

    def spy_noise(x_0, eps, t):
        seen.update(x_0=x_0, eps=eps, t=t)
        return add_noise(x_0, eps, t)

    def spy_decoder(feats, x_t, t):
        seen.update(feats=feats, x_t=x_t, decoder_t=t, output=decode(feats, x_t, t))
        return seen['output']

    made.schedule.add_noise, made.decoder.forward = spy_noise, spy_decoder
    backbone.register_forward_pre_hook(lambda _, inputs: seen['encoded'].append(inputs[0]))
    x_q, x_k = torch.randn(3, 3, 64, 64), torch.randn(3, 3, 64, 64)
    feats_q = backbone(x_q)
    seen['encoded'].clear()
    loss = made(backbone, (x_q, x_k), feats_q)['loss']

    x_0 = x_q if view == 'query' else x_k
    assert torch.equal(seen['x_0'], x_0)
    a, b = (
        table[seen['t']].view(-1, 1, 1, 1) for table in (made.schedule.signal, made.schedule.noise)
    )
    x_t = a * x_0 + b * seen['eps']
    assert torch.allclose(seen['x_t'], x_t) and torch.equal(seen['decoder_t'], seen['t'])
    if encoder_input == 'noised':
        assert len(seen['encoded']) == 1 and torch.allclose(seen['encoded'][0], x_t)
    else:
        assert not seen['encoded']
        pairs = zip(seen['feats'], feats_q, strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in pairs)
    target = {'eps': seen['eps'], 'x0': x_0, 'v': a * seen['eps'] - b * x_0}[prediction]
    assert seen['eps'].std().item() == pytest.approx(1, abs=0.05)
    expected = sum(((o - y) ** 2).mean() for o, y in zip(seen['output'], target, strict=True)) / 3
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_decoder_s_own_initialisation_is_heeded_and_it_starts_from_zero(backbone):
    constant = dict(type='Constant', layer='Conv2d', val=0.125, bias=0.25)
    made = branch(backbone, decoder=dict(init_cfg=constant))
    made.init_weights()
    assert (made.decoder.laterals['0'].weight == 0.125).all()
    assert not any(p.any() for p in made.decoder.out_conv.parameters())


def statistics(module):
    layers = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    return [m.running_mean.clone() for m in layers] + [m.num_batches_tracked for m in layers]


@pytest.mark.parametrize('policy', ['own', 'frozen', 'shared'])
def test_noise_never_reaches_the_statistics_downstream_tasks_use(backbone, policy):
    made = branch(backbone, norm_statistics=policy)
    x = torch.randn(4, 3, 64, 64)
    before = [s.clone() for s in statistics(backbone)]
    own = [b.clone() for b in made.statistics.buffers()]
    backbone.train()
    made(backbone, (x, x), ())['loss'].backward()
    moved = any(not torch.equal(a, b) for a, b in zip(before, statistics(backbone), strict=True))
    assert moved is (policy == 'shared')
    assert all(m.training for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))
    if policy == 'own':
        assert any(
            not torch.equal(a, b) for a, b in zip(own, made.statistics.buffers(), strict=True)
        )
        assert len(made.statistics.state_dict()) == 3 * len(made.statistics.names)
    else:
        assert not made.statistics.state_dict()


def test_a_failing_pass_gives_the_statistics_back(backbone):
    made = branch(backbone)
    clean = {k: v.data_ptr() for k, v in backbone.named_buffers()}
    with pytest.raises(RuntimeError):
        made(backbone, (torch.randn(2, 7, 64, 64),), ())
    assert clean == {k: v.data_ptr() for k, v in backbone.named_buffers()}


def test_the_encoder_learns_from_the_pixels(backbone):
    made = branch(backbone)
    nn.init.normal_(made.decoder.out_conv.weight)
    made(backbone, (torch.randn(2, 3, 64, 64),), ())['loss'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in backbone.parameters())


def test_share_and_view_and_clean_input(backbone):
    seen = []
    made = branch(backbone, share=0.5, view='key')
    x_q, x_k = torch.zeros(5, 3, 64, 64), torch.ones(5, 3, 64, 64)
    made.schedule.add_noise = lambda x_0, eps, t: seen.append(x_0) or x_0
    made(backbone, (x_q, x_k), ())
    assert torch.equal(seen[0], x_k[:3])
    clean = branch(
        backbone,
        encoder_input='clean',
        decoder=dict(skip_noised=True),
        loss=dict(prediction='eps'),
    )
    feats = backbone(x_q)
    backbone.forward = None  # no second pass
    assert clean(backbone, (x_q, x_k), feats)['loss'].item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_shrunk_images_are_means_of_blocks(backbone, memory_format):
    seen = []
    made = branch(backbone, shrink=2, loss=dict(prediction='eps'))
    x = torch.randn(2, 3, 64, 64).contiguous(memory_format=memory_format)
    made.schedule.add_noise = lambda x_0, eps, t: seen.extend([x_0, eps]) or x_0
    loss = made(backbone, (x, x), ())['loss']
    blocks = x.contiguous().view(2, 3, 32, 2, 32, 2)
    assert torch.allclose(seen[0], blocks.mean(dim=(3, 5)), atol=1e-6)
    assert seen[1].shape == seen[0].shape and seen[1].stride() == seen[0].stride()
    assert loss.item() == pytest.approx(1.0, abs=0.05)


def test_denoise_gives_the_estimate_of_the_clean_image(backbone):
    backbone.eval()
    made = branch(backbone, loss=dict(prediction='x0')).eval()
    x, t = torch.randn(2, 3, 64, 64), torch.tensor([0, 999])
    x_t, estimate = made.denoise(backbone, x, t)
    assert (x_t[0] - x[0]).abs().max() < 0.1 < (x_t[1] - x[1]).abs().max()
    assert estimate.abs().max() == 0  # an untrained decoder's guess of x_0


class Lookup(nn.Module):
    """A backbone whose one level is the image, averaged over blocks of 4 x 4."""

    def forward(self, x):
        return (nn.functional.avg_pool2d(x, 4),)


def exact_branch(prediction='x0', **options):
    """A branch on Lookup; its decoder is put in by the test."""
    pyramid = dict(in_channels=[3], strides=[4], image_channels=3)
    decoder = dict(levels=(0,), channels=(8,), skip_noised=False)
    options = {'schedule': dict(least_signal=0), **options}
    return DiffusionBranch(
        Lookup(), pyramid, decoder=decoder, loss=dict(prediction=prediction), **options
    )


def test_reliance_is_one_less_the_ratio_of_errors_with_own_and_other_features():
    made, backbone = exact_branch(), Lookup()
    # Images of one colour each: the block means of x_t are the image but for averaged noise.
    x_0 = torch.tensor([-1.0, 0.0, 3.0]).view(3, 1, 1, 1).expand(3, 3, 16, 16)
    made.decoder.forward = lambda feats, x_t, t: nn.functional.interpolate(
        feats[0] / made.schedule.signal[t].view(-1, 1, 1, 1), size=x_t.shape[-2:]
    )
    found = made.measure_reliance(backbone, x_0, ranges=4)
    assert set(found) == {'all', '1', '2', '3', '4', 'deepest'}
    assert found['deepest'] == pytest.approx(found['all'])
    own = other = 0.0
    generator = torch.Generator().manual_seed(0)
    first = None
    for part in range(4):
        t = torch.tensor([int((part + (i + 0.5) / 3) / 4 * 1000) for i in range(3)])
        x_t = made.schedule.add_noise(x_0, torch.randn(x_0.shape, generator=generator), t)
        mine = theirs = 0.0
        for i in range(3):
            level = made.schedule.signal[t[i]]
            for j in (i, i - 1):  # the features before it, in a ring
                guess = nn.functional.avg_pool2d(x_t[j], 4) / level
                guess = guess.repeat_interleave(4, 1).repeat_interleave(4, 2)
                error = (guess - x_0[i]).square().mean().item()
                mine, theirs = (mine + error, theirs) if j == i else (mine, theirs + error)
        own, other = own + mine, other + theirs
        first = first or 1 - mine / theirs
    assert found['1'] == pytest.approx(first, rel=1e-4) and found['1'] > 0.9
    assert found['all'] == pytest.approx(1 - own / other, rel=1e-4)


def test_reliance_is_zero_for_a_decoder_that_does_not_look_at_features():
    made = exact_branch()
    made.decoder.forward = lambda feats, x_t, t: 0.3 * x_t
    found = made.measure_reliance(Lookup(), torch.randn(4, 3, 16, 16))
    assert set(found.values()) == {0.0}


def test_a_plain_view_is_the_third_and_has_to_be_there(backbone):
    made, seen = branch(backbone, view='plain'), []
    made.schedule.add_noise = lambda x_0, eps, t: seen.append(x_0) or x_0
    views = [torch.full((2, 3, 32, 32), float(i)) for i in range(3)]
    made(backbone, views, ())
    assert torch.equal(seen[0], views[2])
    with pytest.raises(ConfigError, match=r'plain=\[\.\.\.\] to TwoViews'):
        made(backbone, views[:2], ())


@pytest.mark.parametrize('prediction', ['eps', 'x0', 'v'])
def test_relative_error_is_one_for_the_best_gain(prediction):
    """The scalar gain that fits a large sample best, found by least squares."""
    schedule, x_0 = NoiseSchedule(), 1.7 * torch.randn(64, 3, 32, 32)
    for step in (20, 300, 800):
        t, eps = torch.full((64,), step), torch.randn_like(x_0)
        x_t, target = schedule.add_noise(x_0, eps, t), schedule.target(x_0, eps, t, prediction)
        gain = (x_t * target).sum() / x_t.square().sum()
        expected = (target - gain * x_t).square().mean()
        found = schedule.scalar_gain_error(t, prediction, x_0.square().mean())
        assert found[0].item() == pytest.approx(expected.item(), rel=0.02)


def test_a_decoder_that_answers_zero_is_no_better_than_its_known_error():
    made, backbone = (
        exact_branch('x0', schedule=dict(betas=[0.999, 0.9999], least_signal=0)),
        Lookup(),
    )
    x = torch.randn(16, 3, 32, 32)
    made.decoder.forward = lambda feats, x_t, t: torch.zeros_like(x_t)
    out = made(backbone, (x, x), ())
    assert out['relative_error'].item() == pytest.approx(1.0, abs=0.01)
    made.decoder.forward = lambda feats, x_t, t: x
    assert made(backbone, (x, x), ())['relative_error'].item() == 0


@pytest.mark.parametrize(
    'options',
    [
        dict(view='both'),
        dict(share=0.0),
        dict(shrink=0),
        dict(encoder_input='clean', shrink=2),
        dict(encoder_input='clean', view='key'),
        dict(encoder_input='clean', decoder=dict(skip_noised=False)),
        dict(norm_statistics='mixed'),
        dict(loss=dict(prediction='noise')),
        dict(loss=dict(weighting='snr')),
    ],
)
def test_bad_options(backbone, options):
    with pytest.raises(ConfigError):
        branch(backbone, **options)

"""Shapes for four kinds of backbone, and what the decoder must and must not depend on."""

import math

import pytest
import torch

from swimdiff.errors import ConfigError
from swimdiff.models.diffusion.denoising_decoder import DenoisingDecoder, time_embedding
from swimdiff.models.selfsup.utils import probe_pyramid
from swimdiff.registry import MODELS

ALL = (0, 1, 2, 3)
RESNET = dict(type='mmpretrain.ResNet', stem_channels=16, base_channels=16, out_indices=ALL)
SMALL_SWIN = dict(embed_dims=24, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8])
BACKBONES = {
    'resnet18': (dict(RESNET, depth=18), (16, 32, 64, 128)),
    'resnet50': (dict(RESNET, depth=50), (64, 128, 256, 512)),
    'convnext': (
        dict(type='mmpretrain.ConvNeXt', arch='atto', out_indices=ALL, gap_before_final_norm=False),
        (40, 80, 160, 320),
    ),
    'swin': (
        dict(
            type='mmpretrain.SwinTransformer', arch=SMALL_SWIN, out_indices=ALL, pad_small_map=True
        ),
        (24, 48, 96, 192),
    ),
}


@pytest.mark.parametrize('name', BACKBONES)
@pytest.mark.parametrize(('bands', 'size'), [(3, (64, 64)), (5, (70, 50))])
def test_adapts_to_channels_and_strides(name, bands, size):
    config, channels = BACKBONES[name]
    backbone = MODELS.build({**config, 'in_channels': bands})
    pyramid = probe_pyramid(backbone, bands)
    assert pyramid == {
        'in_channels': list(channels),
        'strides': [4, 8, 16, 32],
        'image_channels': bands,
    }
    decoder = DenoisingDecoder(**pyramid)
    x = torch.randn(2, bands, *size)
    assert decoder(backbone(x), x, torch.tensor([0, 999])).shape == x.shape


def pyramid_feats(n=2, size=32):
    return [torch.randn(n, 6 * 2**i, size // 4 // 2**i, size // 4 // 2**i) for i in range(4)]


def decoder(**options):
    torch.manual_seed(0)
    made = DenoisingDecoder((6, 12, 24, 48), (4, 8, 16, 32), 3, **{'drop_levels': 0, **options})
    torch.nn.init.normal_(made.out_conv.weight)
    return made


def test_starts_from_a_zero_guess():
    made = DenoisingDecoder((6, 12, 24, 48), (4, 8, 16, 32), 3)
    x = torch.randn(2, 3, 32, 32)
    assert made(pyramid_feats(), x, torch.tensor([3, 4])).abs().max() == 0


def test_depends_on_time_on_every_chosen_level_and_on_x_t_as_asked():
    feats, x, t = pyramid_feats(), torch.randn(2, 3, 32, 32), torch.tensor([10, 700])
    made = decoder(levels=(0, 2), channels=(16, 20, 24), skip_noised=True)
    out = made(feats, x, t)
    assert not torch.allclose(out, made(feats, x, t + 50))
    for level, used in enumerate((True, False, True, False)):
        changed = [f + (i == level) for i, f in enumerate(feats)]
        assert torch.equal(out, made(changed, x, t)) is not used
    assert not torch.allclose(out, made(feats, x + 1, t))
    blind = decoder()
    assert torch.equal(blind(feats, x, t), blind(feats, x + 1, t))


@pytest.mark.parametrize('size', [(32, 32), (40, 27)])
def test_the_deepest_level_alone_is_decoded_at_full_size(size):
    feats = [torch.randn(2, 6 * 2**i, *(math.ceil(s / 4 / 2**i) for s in size)) for i in range(4)]
    made = decoder(levels=(3,), channels=(8, 8, 16, 16), skip_noised=False)
    x, t = torch.randn(2, 3, *size), torch.tensor([10, 700])
    out = made(feats, x, t)
    assert out.shape == x.shape
    shallow = [torch.randn_like(feat) for feat in feats[:3]]
    assert torch.equal(out, made([*shallow, feats[3]], x, t))
    assert not torch.allclose(out, made([*feats[:3], feats[3] + 1], x, t))


def test_noise_passes_at_full_rank_however_narrow_the_decoder():
    """A 4 x 4 block in three bands is 48 numbers, the width of the decoder is 8."""
    made = decoder(levels=(0,), channels=(8,), skip_noised=True)
    torch.nn.init.constant_(made.gain.bias, 10)
    feats, t = [torch.zeros(1, 6, 2, 2)], torch.tensor([500])
    jacobian = torch.autograd.functional.jacobian(
        lambda x: made(feats, x, t).flatten(), torch.randn(1, 3, 8, 8)
    ).reshape(192, 192)
    assert torch.linalg.matrix_rank(jacobian) == 192


def test_images_do_not_mix():
    feats, x, t = pyramid_feats(), torch.randn(2, 3, 32, 32), torch.tensor([10, 700])
    made = decoder()
    alone = made([f[:1] for f in feats], x[:1], t[:1])
    assert torch.allclose(made(feats, x, t)[:1], alone, atol=1e-4)


def test_dropped_levels_are_the_finer_ones_and_only_while_training():
    made = decoder(drop_levels=0.6, skip_noised=False)
    torch.manual_seed(0)
    kept = made._draw_kept(30000, torch.device('cpu')).float()
    assert (kept[:, 3] == 1).all()
    # level i is gone where the first kept level, drawn from 1, 2 and 3, lies above it
    assert kept.mean(0)[:3].tolist() == pytest.approx([0.4, 0.6, 0.8], abs=0.02)
    assert (kept.diff(dim=1) >= 0).all()

    feats, x = pyramid_feats(), torch.randn(2, 3, 32, 32)
    t = torch.tensor([10, 700])
    made._draw_kept = lambda rows, device: torch.tensor([[False, False, True, True], [True] * 4])
    out = made(feats, x, t)
    changed = made([feats[0] + 1, *feats[1:]], x, t)
    assert torch.equal(out[0], changed[0]) and not torch.allclose(out[1], changed[1])
    del made._draw_kept
    made.eval()
    assert made._draw_kept(4, torch.device('cpu')) is None


def test_time_embedding_by_hand():
    made = time_embedding(torch.tensor([0, 7]), 4)
    expected = [math.sin(7), math.sin(7 / 100), math.cos(7), math.cos(7 / 100)]
    assert made[0].tolist() == [0, 0, 1, 1]
    assert made[1].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    'options',
    [
        dict(levels=(0, 4), channels=(8, 8)),
        dict(levels=(1, 0), channels=(8, 8)),
        dict(levels=(0,), channels=(8, 8)),
        dict(levels=(0, 2), channels=(8, 8)),
        dict(time_channels=7),
        dict(drop_levels=1.0),
    ],
)
def test_bad_options(options):
    with pytest.raises(ConfigError, match='DenoisingDecoder'):
        DenoisingDecoder((6, 12, 24, 48), (4, 8, 16, 32), 3, **options)

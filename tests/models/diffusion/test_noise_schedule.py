"""The tables against closed forms, published constants and diffusers."""

import math

import pytest
import torch

from swimdiff.errors import ConfigError
from swimdiff.models.diffusion.noise_schedule import NoiseSchedule


def test_linear_tables_are_ddpm_s():
    schedule = NoiseSchedule()
    abar = schedule.signal.double() ** 2
    assert abar[0].item() == pytest.approx(1 - 1e-4, abs=1e-7)
    # prod over t of (1 - beta_t), with beta_t linear from 1e-4 to 0.02, in exact arithmetic
    log_abar = sum(math.log1p(-(1e-4 + (0.02 - 1e-4) * t / 999)) for t in range(1000))
    assert abar[-1].item() == pytest.approx(math.exp(log_abar), rel=1e-5)
    assert abar[-1].item() == pytest.approx(4.0358e-05, rel=1e-4)
    assert torch.allclose(schedule.signal**2 + schedule.noise**2, torch.ones(1000), atol=1e-6)


def test_cosine_table_follows_its_equation():
    schedule = NoiseSchedule(num_steps=100, schedule='cosine')

    def f(t):
        return math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2

    for t in (0, 10, 50, 90):
        assert schedule.signal[t].item() ** 2 == pytest.approx(f(t + 1) / f(0), rel=1e-5)


@pytest.mark.parametrize(
    ('ours', 'theirs'), [('linear', 'linear'), ('cosine', 'squaredcos_cap_v2')]
)
def test_same_forward_process_as_diffusers(ours, theirs):
    from diffusers import DDPMScheduler

    reference = DDPMScheduler(beta_schedule=theirs)
    schedule = NoiseSchedule(schedule=ours)
    x_0, eps = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    t = torch.tensor([0, 10, 500, 999])
    # diffusers keeps its tables in float32 arithmetic throughout
    assert torch.allclose(
        schedule.add_noise(x_0, eps, t), reference.add_noise(x_0, eps, t), atol=2e-4
    )
    assert torch.allclose(
        schedule.target(x_0, eps, t, 'v'), reference.get_velocity(x_0, eps, t), atol=2e-4
    )


@pytest.mark.parametrize('prediction', ['eps', 'x0', 'v'])
def test_a_perfect_prediction_gives_the_image_back(prediction):
    schedule = NoiseSchedule(num_steps=50)
    x_0, eps = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    t = torch.tensor([0, 20, 49])
    target = schedule.target(x_0, eps, t, prediction)
    estimate = schedule.estimate_x0(target, schedule.add_noise(x_0, eps, t), t, prediction)
    assert torch.allclose(estimate, x_0, atol=1e-4)


def test_min_snr_weights_make_errors_of_all_targets_equal():
    """An error dx in the estimate of x_0 weighs min(SNR, gamma) dx^2 whatever is predicted."""
    schedule = NoiseSchedule()
    t = torch.tensor([5, 300, 900])
    x_0, eps = torch.randn(3, 1, 1, 1).double(), torch.randn(3, 1, 1, 1).double()
    x_t = schedule.add_noise(x_0, eps, t)
    snr = (schedule.signal[t] / schedule.noise[t]).double() ** 2
    for prediction in ('eps', 'x0', 'v'):
        target = schedule.target(x_0, eps, t, prediction)
        output = target + 0.1
        dx = schedule.estimate_x0(output, x_t, t, prediction) - x_0
        weighted = schedule.min_snr_weight(t, prediction, gamma=5).double() * 0.01
        assert torch.allclose(weighted, snr.clamp(max=5) * dx.flatten() ** 2, rtol=1e-3)


def test_steps_are_drawn_from_the_whole_range_and_tables_stay_out_of_checkpoints():
    schedule = NoiseSchedule(num_steps=4)
    assert set(schedule.sample_steps(200).tolist()) == {0, 1, 2, 3}
    assert not schedule.state_dict()


def test_steps_below_a_share_of_the_image_are_not_drawn():
    schedule = NoiseSchedule(least_signal=0.25)
    drawn = schedule.sample_steps(20000)
    assert 0.25 <= schedule.signal[drawn.max()] ** 2 < 0.26
    assert schedule.signal[drawn.max() + 1] ** 2 < 0.25
    assert drawn.min() == 0 and schedule.num_steps == 1000


def test_logit_normal_steps_have_its_quartiles():
    schedule = NoiseSchedule(density='logit_normal', least_signal=0)
    drawn = schedule.sample_steps(40000, torch.Generator().manual_seed(0)).float() / 1000
    for share, normal in ((0.25, -0.6745), (0.5, 0.0), (0.75, 0.6745)):
        expected = 1 / (1 + math.exp(-normal))
        assert drawn.quantile(share).item() == pytest.approx(expected, abs=0.01)


def test_betas_of_one_s_own():
    schedule = NoiseSchedule(betas=[0.1, 0.5])
    assert (schedule.signal**2).tolist() == pytest.approx([0.9, 0.45])
    assert schedule.num_steps == 2
    own = NoiseSchedule(betas=torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64).tolist())
    assert torch.allclose(own.signal, NoiseSchedule().signal)


@pytest.mark.parametrize(
    'options', [{'betas': [0.1, 1.0]}, {'betas': [0.1]}, {'least_signal': 1.0}, {'density': 'beta'}]
)
def test_bad_choices_of_steps(options):
    with pytest.raises(ConfigError, match='NoiseSchedule'):
        NoiseSchedule(**options)


@pytest.mark.parametrize(
    'options', [{'num_steps': 1}, {'schedule': 'quadratic'}, {'beta_start': 0.5, 'beta_end': 0.1}]
)
def test_bad_options(options):
    with pytest.raises(ConfigError, match='NoiseSchedule'):
        NoiseSchedule(**options)

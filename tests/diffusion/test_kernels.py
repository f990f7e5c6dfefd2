"""Steps read from a scheduler's configuration, against numbers worked by hand."""

import pytest
import torch

from guerdon.diffusion import DDIM, DDPM, levels_of

PLAIN = {"num_train_timesteps": 4, "trained_betas": [0.1, 0.2, 0.3, 0.4], "clip_sample": False}
"""Signal shares .9, .72, .504, .3024."""


def step(kernel, latent=1.0, said=0.5, at=0):
    mean, std = kernel(torch.tensor([[latent]]), torch.tensor([[said]]), torch.tensor([at]))
    return [mean.item(), std.item()]


def test_two_steps_of_four_times():
    """Times 2 and 0; .504 before the first step, .9 after it, 1 after the last."""
    levels = levels_of(PLAIN, 2)
    assert levels.times.tolist() == [2, 0]
    assert levels.before.tolist() == pytest.approx([0.504, 0.9])
    assert levels.after.tolist() == pytest.approx([0.9, 1.0])
    assert levels_of({**PLAIN, "set_alpha_to_one": False}, 2).after[1] == pytest.approx(0.9)


def test_ddpm():
    """x 1, noise .5: clean .912575, mean .918872, variance .1 / .496 * .44."""
    assert step(DDPM(PLAIN, 2)) == pytest.approx([0.918872, 0.297842], abs=2e-5)
    assert step(DDPM(PLAIN, 2, "fixed_large"))[1] == pytest.approx(0.44**0.5)
    last = pytest.approx([(1 - 0.1**0.5 / 2) / 0.9**0.5, 0])
    assert step(DDPM(PLAIN, 2), at=1) == last
    assert step(DDPM(PLAIN, 2, "fixed_large"), at=1) == last


def test_ddim():
    """eta 0: .9^.5 * .912575 + .1^.5 / 2."""
    assert step(DDIM(PLAIN, 2, eta=0.0)) == pytest.approx([1.023858, 0], abs=2e-5)
    assert step(DDIM(PLAIN, 2)) == pytest.approx(step(DDPM(PLAIN, 2)))
    for at in range(4):
        assert step(DDIM(PLAIN, 4), -0.7, 0.3, at) == pytest.approx(
            step(DDPM(PLAIN, 4), -0.7, 0.3, at)
        )


def test_what_the_denoiser_says_may_be_the_sample_or_v():
    noise = step(DDPM(PLAIN, 2))
    clean, noise_share = 0.9125746, 0.5
    assert step(DDPM({**PLAIN, "prediction_type": "sample"}, 2), said=clean) == pytest.approx(noise)
    v = 0.504**0.5 * noise_share - 0.496**0.5 * clean
    said = step(DDIM({**PLAIN, "prediction_type": "v_prediction"}, 2), said=v)
    assert said == pytest.approx(noise, abs=1e-6)


def test_the_clean_sample_is_clipped_as_that_package_does_unless_told_not_to():
    bounded = {**PLAIN, "clip_sample": True}
    assert step(DDPM(bounded, 2), latent=3.0, at=1)[0] == 1.0
    assert step(DDPM({**bounded, "clip_sample_range": 2.0}, 2), latent=3.0, at=1)[0] == 2.0
    assert step(DDPM(PLAIN, 2), latent=3.0, at=1)[0] > 2


@pytest.mark.parametrize(
    ("spacing", "times"),
    [("leading", [7, 5, 3, 1]), ("trailing", [7, 5, 3, 1]), ("linspace", [7, 5, 2, 0])],
)
def test_spacings(spacing, times):
    given = {"num_train_timesteps": 8, "timestep_spacing": spacing, "steps_offset": 1}
    assert levels_of(given, 4).times.tolist() == times


def test_schedules_of_noise():
    linear = levels_of({"num_train_timesteps": 2, "beta_start": 0.1, "beta_end": 0.5}, 2)
    assert linear.before.tolist() == pytest.approx([0.45, 0.9])
    scaled = {"num_train_timesteps": 3, "beta_schedule": "scaled_linear"}
    ends = {"beta_start": 0.04, "beta_end": 0.36}
    assert levels_of({**scaled, **ends}, 3).before[1] == pytest.approx(0.96 * 0.84)
    cosine = levels_of({"num_train_timesteps": 50, "beta_schedule": "squaredcos_cap_v2"}, 50)
    assert (cosine.before < cosine.after).all()
    assert levels_of({}, 20).times[0] == 950  # that package's defaults: 1000 times, leading


@pytest.mark.parametrize(
    ("scheduler", "named"),
    [
        ({"thresholding": True}, "thresholding"),
        ({"beta_schedule": "sigmoid"}, "sigmoid"),
        ({"timestep_spacing": "even"}, "even"),
        ({"num_train_timesteps": 3}, "steps is 20"),
        ({"steps_offset": 60}, "steps_offset"),
        ({"prediction_type": "flow"}, "flow"),
    ],
)
def test_what_is_not_known_is_refused_when_it_is_given(scheduler, named):
    with pytest.raises(ValueError, match=named):
        DDPM(scheduler)

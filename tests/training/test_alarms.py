"""Alarms sound on what they name and stay silent on a healthy run."""

import pytest
import torch

from guerdon.records import Rollouts, Scores, Task
from guerdon.report import (
    Alarms,
    Thresholds,
    advice,
    alarm_counts,
    history_alarms,
    length_correlation,
)
from guerdon.report import step_alarms as sounded

HEALTHY = {
    "zero_std_share": 0.3,
    "invalid_share": 0.0,
    "truncated_share": 0.1,
    "kl": 0.02,
    "sampling_logp": -0.6,
}


def rows(lengths):
    n, width = len(lengths), max(lengths)
    lengths_N = torch.tensor(lengths)
    return Rollouts(
        tasks=(Task("a", "p"),),
        group=torch.zeros(n, dtype=torch.long),
        prompts=(torch.tensor([1]),),
        ids=torch.zeros(n, width, dtype=torch.long),
        mask=torch.arange(width) < lengths_N[:, None],
        lengths=lengths_N,
        logps=torch.zeros(n, width),
        texts=("",) * n,
    )


def alternating(n=16, **more):
    """Values 0, 1, 0, 1... on lengths 1, 1, 2, 2, 1, 1...: no correlation."""
    value_N = torch.arange(n) % 2
    return rows([1 + i // 2 % 2 for i in range(n)]), Scores(value_N.float(), **more)


def names(rollouts, scores, history, thresholds=None):
    return [a.name for a in sounded(rollouts, scores, history, thresholds or Thresholds())]


def test_silence_on_a_healthy_run():
    rollouts, scores = alternating(parts={"accuracy": torch.arange(16.0) % 2})
    assert names(rollouts, scores, [HEALTHY] * 8) == []


@pytest.mark.parametrize(
    ("figure", "sounds", "silent", "name"),
    [
        ("zero_std_share", 0.9, 0.89, "no signal"),
        ("invalid_share", 0.051, 0.05, "invalid rewards"),
        ("truncated_share", 0.31, 0.3, "truncated"),
    ],
)
def test_shares_sound_past_their_threshold_only(figure, sounds, silent, name):
    rollouts, scores = alternating()
    assert names(rollouts, scores, [{**HEALTHY, figure: sounds}]) == [name]
    assert names(rollouts, scores, [{**HEALTHY, figure: silent}]) == []


@pytest.mark.parametrize("absent", [None, float("nan")])
def test_a_figure_that_is_absent_raises_no_alarm(absent):
    empty = dict.fromkeys(HEALTHY, absent)
    assert list(history_alarms([empty] * 8, Thresholds())) == []
    assert list(history_alarms([], Thresholds())) == []


@pytest.mark.parametrize(
    ("figure", "bad", "name"), [("kl", 1.5, "KL"), ("sampling_logp", -0.01, "entropy collapse")]
)
def test_kl_and_certainty_must_last_the_whole_window(figure, bad, name):
    ill = {**HEALTHY, figure: bad}
    found = [a.name for a in history_alarms([HEALTHY] + [ill] * 5, Thresholds())]
    assert found == [name]
    assert list(history_alarms([ill] * 4, Thresholds())) == []
    assert list(history_alarms([ill] * 4 + [HEALTHY], Thresholds())) == []
    assert list(history_alarms([ill, ill, HEALTHY, ill, ill], Thresholds())) == []


def test_a_constant_part_is_named_with_its_value():
    rollouts, scores = alternating(parts={"format": torch.full((16,), 0.5)})
    (alarm,) = sounded(rollouts, scores, [HEALTHY], Thresholds())
    assert alarm.name == "constant format"
    assert "'format' is 0.5 for all 16" in alarm.message
    assert alarm.message.endswith(advice("constant format"))


def test_a_part_is_not_called_constant_on_few_or_differing_rows():
    rollouts, scores = alternating(15, parts={"format": torch.ones(15)})
    assert names(rollouts, scores, [HEALTHY]) == []
    part_N = torch.ones(17)
    part_N[3] = 0.0
    rollouts, scores = alternating(17, parts={"format": part_N})
    assert names(rollouts, scores, [HEALTHY]) == []


def test_invalid_rows_do_not_count_towards_a_constant_part():
    part_N = torch.ones(17)
    part_N[4] = 7.0
    valid_N = torch.arange(17) != 4
    rollouts, scores = alternating(17, parts={"format": part_N}, valid=valid_N)
    assert names(rollouts, scores, [HEALTHY]) == ["constant format"]


def test_correlation_by_hand():
    # lengths 1, 2, 3 and values 1, 3, 2: covariance 1/2 over standard deviations 1 and 1
    assert length_correlation(rows([1, 2, 3]), Scores(torch.tensor([1.0, 3.0, 2.0]))) == (
        pytest.approx(0.5)
    )


def test_correlation_of_constants_and_of_too_few_rows_is_none():
    assert length_correlation(rows([1, 2, 3]), Scores(torch.ones(3))) == 0.0
    assert length_correlation(rows([2, 2, 2]), Scores(torch.tensor([1.0, 2.0, 3.0]))) == 0.0
    some = Scores(torch.tensor([1.0, 2.0, 3.0]), valid=torch.tensor([True, True, False]))
    assert length_correlation(rows([1, 2, 3]), some) == 0.0


def test_a_reward_for_length_is_noticed_from_enough_rows():
    lengths = list(range(1, 17))
    paying = Scores(torch.tensor(lengths).float())
    assert names(rows(lengths), paying, [HEALTHY]) == ["reward follows length"]
    assert names(rows(lengths[:15]), Scores(paying.value[:15]), [HEALTHY]) == []


def test_the_message_of_invalid_rewards_quotes_one_reason():
    valid_N = torch.arange(16) != 3
    reasons = tuple(None if ok else "no such table" for ok in valid_N.tolist())
    rollouts, scores = alternating(valid=valid_N, reasons=reasons)
    (alarm,) = sounded(rollouts, scores, [{**HEALTHY, "invalid_share": 1 / 16}], Thresholds())
    assert "6.2%" in alarm.message
    assert "no such table" in alarm.message
    assert alarm.severity == "warning"


def news(alarms, pattern):
    """How many of each step's alarms are news."""
    rollouts, scores = alternating()
    return [sum(a.news for a in alarms.look(rollouts, scores, [figures])) for figures in pattern]


def test_an_alarm_is_news_again_only_after_silence():
    ill = {**HEALTHY, "zero_std_share": 1.0}
    pattern = [ill, ill, ill, HEALTHY, ill, HEALTHY, HEALTHY, ill]
    assert news(Alarms(Thresholds(window=2)), pattern) == [1, 0, 0, 0, 0, 0, 0, 1]


def test_alarms_of_a_resumed_run_go_on_from_the_names_its_figures_hold():
    ill = {**HEALTHY, "zero_std_share": 1.0}
    past = [["no signal"], [], ["no signal", "KL"], []]
    resumed = Alarms(Thresholds(window=2), past)
    assert news(resumed, [ill, HEALTHY, HEALTHY, ill]) == [0, 0, 0, 1]
    assert alarm_counts([{"alarms": names} for names in past]) == {"no signal": 2, "KL": 1}
    assert alarm_counts([{"reward": 1.0}, {"alarms": None}]) == {}


LEARNING = {
    **HEALTHY,
    "updates": 1.0,
    "grad_norm": 0.5,
    "advantage_size": 0.8,
    "first_off_policy": 1e-5,
    "kept_groups": 4.0,
    "sampled_groups": 4.0,
    "failed_share": 0.0,
    "loss": 0.1,
    "reward": 0.5,
}


def told(figures, n=1):
    return {a.name: a.message for a in history_alarms([figures] * n, Thresholds())}


def test_a_run_that_learns_is_silent():
    assert told(LEARNING, 8) == {}


def test_a_ratio_that_is_not_1_at_the_first_update_says_what_to_check():
    message = told({**LEARNING, "first_off_policy": 0.4})["ratio"]
    assert "off 1 by 0.4 at the first update" in message
    assert "sampling.temperature" in message
    assert told({**LEARNING, "first_off_policy": 0.01}) == {}  # bfloat16's rounding


@pytest.mark.parametrize(
    ("staleness", "who"), [(None, "another engine"), (1.0, "weights 1 step(s) old")]
)
def test_another_sampler_that_is_far_off_is_another_alarm(staleness, who):
    figures = {**LEARNING, "sampler_gap": 0.5, "staleness": staleness}
    alarms = told(figures)
    assert list(alarms) == ["sampler gap"]
    assert who in alarms["sampler gap"]


def test_a_zero_gradient_beside_unequal_rewards_sounds():
    assert list(told({**LEARNING, "grad_norm": 0.0})) == ["no gradient"]
    equal = {**LEARNING, "grad_norm": 0.0, "zero_std_share": 1.0}
    assert list(told(equal)) == ["no signal"]
    assert list(told({**LEARNING, "grad_norm": 0.0, "updates": 0.0})) == ["nothing to learn from"]


def test_advantages_that_are_all_0_must_be_so_the_whole_window():
    flat = {**LEARNING, "advantage_size": 0.0}
    assert "no advantage" not in told(flat, 4)
    assert "no advantage" in told(flat, 5)
    mixed = [flat, flat, LEARNING, flat, flat]
    assert list(history_alarms(mixed, Thresholds())) == []


@pytest.mark.parametrize("name", ["loss", "grad_norm", "reward", "held_out", "part/format"])
def test_figures_that_are_no_numbers_sound_and_are_named(name):
    assert name in told({**LEARNING, name: float("nan")})["not a number"]


def test_rewards_have_no_figure_where_nothing_was_graded():
    none = {**LEARNING, "invalid_share": 1.0, "reward": float("nan"), "updates": 0.0}
    assert set(told(none)) == {"nothing graded", "nothing to learn from"}


def test_failed_and_ungradable_rows_are_told_apart():
    both = {**LEARNING, "invalid_share": 0.3, "failed_share": 0.1}
    alarms = told(both)
    assert alarms["invalid rewards"].startswith("20.0% of rewards could not be computed")
    assert alarms["failed rewards"].startswith("the reward failed on 10.0% of rows")
    one = {**LEARNING, "invalid_share": 0.01, "failed_share": 0.01}
    assert list(told(one)) == ["failed rewards"]


def test_the_message_of_failed_rewards_has_the_place():
    valid_N = torch.arange(16) != 3
    error = "ValueError: x (at mine.py, line 7)"
    reasons = tuple("ValueError: x" for _ in range(16))
    rollouts, scores = alternating(valid=valid_N, reasons=reasons, errors=(error,) * 16)
    history = [{**HEALTHY, "invalid_share": 1 / 16, "failed_share": 1 / 16}]
    (alarm,) = sounded(rollouts, scores, history, Thresholds())
    assert alarm.name == "failed rewards"
    assert "mine.py, line 7" in alarm.message


def test_every_alarm_says_its_mend():
    ill = {
        **LEARNING,
        "invalid_share": 0.5,
        "failed_share": 0.2,
        "first_off_policy": 1.0,
        "sampler_gap": 1.0,
        "grad_norm": 0.0,
        "loss": float("nan"),
        "advantage_size": 0.0,
    }
    alarms = list(history_alarms([ill] * 5, Thresholds()))
    assert len(alarms) == 7
    assert all(advice(a.name) and a.message.endswith(advice(a.name)) for a in alarms)

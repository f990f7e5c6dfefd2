"""GiGPO's two levels against the worked numbers of its specification."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import (
    AcrossTrajectories,
    Equal,
    GroupNormalised,
    MeanNorm,
    MeanStdNorm,
    NoScale,
    Similar,
    SingleRaw,
    TwoLevel,
    returns_to_go,
)
from guerdon.records import Ending, Experience

ROLLOUTS = make_rollouts(
    [0, 0],
    [2, 3],
    states=[("s0", "s1"), ("s0", "s2", "s0")],
    turn_rewards=[[0.0, 10.0, 0.0], [0.0, 0.0, 0.0]],
)
SCORES = make_scores([10.0, 0.0])


def test_both_levels():
    step = torch.tensor([[6.3333, 0.0, 0.0], [-3.1667, 0.0, -3.1667]])
    episode = torch.tensor([[6.0, 6.0, 0.0], [-4.0, -4.0, -4.0]])
    assert torch.allclose(TwoLevel()(Experience(ROLLOUTS, SCORES)), episode + step, atol=1e-3)
    assert torch.allclose(TwoLevel(omega=0.0)(Experience(ROLLOUTS, SCORES)), episode, atol=1e-5)


def test_across_trajectories():
    made = TwoLevel(omega=0.0, statistic=AcrossTrajectories())(Experience(ROLLOUTS, SCORES))
    assert made.tolist() == [[5.0, 5.0, 0.0], [-5.0, -5.0, -5.0]]
    scaled = TwoLevel(omega=0.0, statistic=AcrossTrajectories(), norm=MeanStdNorm())
    assert scaled(Experience(ROLLOUTS, SCORES))[:, 0].tolist() == pytest.approx(
        [0.7071, -0.7071], abs=1e-4
    )


def test_standardised_step_level():
    both = TwoLevel(norm=MeanStdNorm())(Experience(ROLLOUTS, SCORES))
    episode = TwoLevel(norm=MeanStdNorm(), omega=0.0)(Experience(ROLLOUTS, SCORES))
    found = [(both - episode)[row, turn].item() for row, turn in ((0, 0), (1, 0), (1, 2))]
    assert found == pytest.approx([1.1547, -0.5774, -0.5774], abs=1e-4)


def test_unique_states_leave_the_episode_level_alone():
    rollouts = make_rollouts(
        [0, 0], [2, 2], states=[("a", "b"), ("c", "d")], turn_rewards=[[0.0, 10.0], [0.0, 0.0]]
    )
    assert torch.equal(
        TwoLevel()(Experience(rollouts, SCORES)), TwoLevel(omega=0.0)(Experience(rollouts, SCORES))
    )
    assert TwoLevel().stats(Experience(rollouts, SCORES))["singleton_share"] == 1.0


def test_equal_states_of_different_tasks_never_meet():
    rollouts = make_rollouts([0, 1], [1, 1], states=[("a",), ("a",)], turn_rewards=[[10.0], [0.0]])
    assert TwoLevel()(Experience(rollouts, SCORES)).abs().sum() == 0


def test_equal_totals_still_tell_early_from_late():
    rollouts = make_rollouts(
        [0, 0],
        [2, 2],
        states=[("a", "b"), ("b", "a")],
        turn_rewards=[[0.0, 10.0], [0.0, 10.0]],
    )
    experience = Experience(rollouts, make_scores([10.0, 10.0]))
    assert TwoLevel(omega=0.0)(experience).abs().sum() == 0
    made = TwoLevel()(experience)
    assert made[0, 1] > 0 > made[1, 0]


def test_a_turn_limit_is_worth_what_the_state_after_it_is():
    """Row 1, cut after a turn, is worth .5 * 8 there; row 0, of two turns, ended: 3 and 6."""
    rollouts = make_rollouts(
        [0, 0],
        [2, 1],
        states=[("a", "b"), ("a",)],
        turn_rewards=[[0.0, 6.0], [0.0, 0.0]],
        endings=(Ending.FINISHED, Ending.TURN_LIMIT),
        final_values=torch.tensor([8.0, 8.0]),
    )
    made = TwoLevel(0.5)(Experience(rollouts, make_scores([0.0, 0.0])))
    assert made.tolist() == [[-0.5, 0.0], [0.5, 0.0]]


def test_an_invalid_episode_takes_no_part():
    scores = make_scores([10.0, 0.0], [True, False])
    assert TwoLevel()(Experience(ROLLOUTS, scores)).abs().sum() == 0


def test_rollouts_without_states_are_refused():
    with pytest.raises(ValueError, match="multi-turn"):
        TwoLevel()(Experience(make_rollouts([0, 0]), SCORES))


def test_whole_numbers_are_not_cut_by_a_discount() -> None:
    whole = returns_to_go(torch.tensor([[1, 1, 1]]), 0.5)
    assert whole.tolist() == [[1.75, 1.5, 1.0]]


@pytest.mark.parametrize(
    ("norm", "plain"),
    [(MeanNorm(), GroupNormalised(NoScale())), (MeanStdNorm(), GroupNormalised())],
)
def test_without_steps_it_is_grpo(norm, plain):
    """Each episode counts once: the same mean and spread, on every turn."""
    rollouts = make_rollouts(
        [0, 1, 0, 1, 0],
        [1, 3, 2, 2, 3],
        states=[("s",) * turns for turns in (1, 3, 2, 2, 3)],
        turn_rewards=[[0.0] * 3] * 5,
    )
    experience = Experience(rollouts, make_scores([1.0, 4.0, 0.0, 2.0, 2.5]))
    made = TwoLevel(omega=0.0, norm=norm, statistic=AcrossTrajectories())(experience)
    assert torch.allclose(made, plain(experience), atol=1e-6)
    assert made.abs().max() > 0.5


EPISODES = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-4, 4)), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)


@given(EPISODES)
def test_the_steps_from_one_state_sum_to_zero(episodes):
    """By task and state, with the mean taken off: alone, twice in one episode, or in several."""
    group = [row // 3 for row in range(len(episodes))]
    rewards = [[float(r) for _, r in episode] + [0.0] * (4 - len(episode)) for episode in episodes]
    rollouts = make_rollouts(
        group,
        [len(episode) for episode in episodes],
        states=[tuple(state for state, _ in episode) for episode in episodes],
        turn_rewards=[row[: max(map(len, episodes))] for row in rewards],
    )
    experience = Experience(rollouts, make_scores([0.0] * len(episodes)))
    step = TwoLevel()(experience)  # equal totals: there is no other level
    total = dict.fromkeys(((g, s) for g in (0, 1) for s in "ab"), 0.0)
    for row, episode in enumerate(episodes):
        for turn, (state, _) in enumerate(episode):
            total[group[row], state] += step[row, turn].item()
    assert [*total.values()] == pytest.approx([0.0] * 4, abs=1e-4)


def test_alike_texts_are_one_state_and_clusters_go_by_their_first():
    """Of 40 letters two may differ (2 * 38 / 80 = .95), three may not (.925)."""
    base = "abcdefghij" * 4
    one, two, three = base[:-1] + "1", base[:-2] + "12", base[:-3] + "123"
    assert Similar()([base, one, base, three, two]) == [0, 0, 0, 1, 0]
    assert Similar()([three, two, base]) == [0, 0, 1]  # another order, other clusters
    assert Similar(1.0)([base, one, base]) == [0, 1, 0]
    assert Similar(read=30)([base, three]) == [0, 0]
    assert Similar()(["", "", "a"]) == [0, 0, 1]
    page = "You are in a kitchen with a cup, a plate, two knives and an old oven. " * 8
    assert Similar()([page + "You hold a cup.", page + "You hold a plate.", page[::-1]]) == [
        0,
        0,
        1,
    ]
    assert Similar()([]) == Equal()([]) == []
    assert Equal()([(1, 2), "a", (1, 2)]) == [0, 1, 0]
    with pytest.raises(
        ValueError, match=r"texts, and a state of this world is \(0, 0\); use Equal"
    ):
        Similar()([(0, 0)])


def test_alike_states_of_one_task_are_compared():
    """Returns 10 and 0 from texts that differ by a letter: 5 and -5; another task stays apart."""
    said = ["You see a red door." * 2, "You see a red floor." * 2, "You see a red door." * 2]
    rollouts = make_rollouts(
        [0, 0, 1], [1, 1, 1], states=[(one,) for one in said], turn_rewards=[[10.0], [0.0], [7.0]]
    )
    experience = Experience(rollouts, make_scores([0.0] * 3))
    assert TwoLevel()(experience).abs().sum() == 0
    made = TwoLevel(anchors=Similar(0.9))
    assert made(experience)[:, 0].tolist() == [5.0, -5.0, 0.0]
    assert made.stats(experience) == {"anchor_group_size": 1.5, "singleton_share": 1 / 3}


def test_the_only_entry_of_a_task_is_raw_by_name():
    """A lone episode of one turn, and one of two turns: an entry of the mean, or two."""
    rollouts = make_rollouts(
        [0, 1], [1, 2], states=[("a",), ("a", "b")], turn_rewards=[[3.0, 0.0], [0.0, 4.0]]
    )
    experience = Experience(rollouts, make_scores([3.0, 4.0]))
    assert TwoLevel()(experience).abs().sum() == 0
    raw = TwoLevel(single=SingleRaw())
    assert raw(experience).tolist() == [[3.0, 0.0], [0.0, 0.0]]
    across = TwoLevel(single=SingleRaw(), statistic=AcrossTrajectories())
    assert across(experience).tolist() == [[3.0, 0.0], [4.0, 4.0]]
    assert (TwoLevel().scope, raw.scope) == ("group", "completion")
    lost = Experience(rollouts, make_scores([3.0, 4.0], [False, True]))
    assert raw(lost).abs().sum() == 0


CALLS = {
    "task": ["t"] * 5,
    "episode": [1, 2, 2, 1, 2],  # two episodes at once: calls of each in their order
    "anchor": ["s0", "s0", "s2", "s1", "s0"],
    "reward": [0.0, 0.0, 0.0, 10.0, 0.0],
}


def test_one_row_per_call_has_the_credit_of_its_turn():
    made = TwoLevel().of_calls(**CALLS)
    assert made.tolist() == pytest.approx([12.3333, -7.1667, -4.0, 6.0, -7.1667], abs=1e-4)
    whole = TwoLevel()(Experience(ROLLOUTS, SCORES))
    assert made.tolist() == pytest.approx([whole[r, t].item() for r, t in (
        *((0, 0), (1, 0), (1, 1), (0, 1), (1, 2)),
    )])  # fmt: skip


def test_calls_of_tasks_that_share_names_stay_apart():
    two = {name: [*some, *some] for name, some in CALLS.items()}
    two["task"] = [*["t"] * 5, *["u"] * 5]
    two["reward"] = [*CALLS["reward"], *[3.0] * 5]
    once = TwoLevel().of_calls(**CALLS)
    both = TwoLevel().of_calls(**two)
    assert torch.equal(both[:5], once)
    alone = TwoLevel().of_calls(**{name: some[5:] for name, some in two.items()})
    assert torch.equal(both[5:], alone)
    assert TwoLevel().of_calls([], [], [], []).shape == (0,)
    with pytest.raises(ValueError, match="1 tasks, 2 episodes, 1 states and 1 rewards"):
        TwoLevel().of_calls(["t"], [1, 2], ["s"], [0.0])

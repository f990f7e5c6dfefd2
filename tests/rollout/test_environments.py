"""Text worlds: moves worked by hand, hostile text, and the real Gymnasium."""

from __future__ import annotations

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.records import Task
from guerdon.rollout.environments import TOY_TEXT, Grid, Step, ToyText, make_environment
from guerdon.tasks import CornerTasks, GridTasks, ToyTextTasks


def test_grid_reads_as_the_seedling_learned_it() -> None:
    world = Grid(start=(2, 3))
    assert world.reset() == "You are at (2,3). Goal (5,5).\nMove:"
    step = world.step(" right\n")
    assert step == Step("You are at (3,3). Goal (5,5).\nMove:", 0.0, False)


def test_grid_pays_at_the_goal_and_ends() -> None:
    world = Grid(size=2)
    assert world.step("down")[1:3] == (0.0, False)
    assert world.step("right")[1:] == (10.0, True, True, False)
    world.reset()
    assert world.at == (0, 0)


def test_walls_and_edges_hold() -> None:
    world = Grid(size=3, walls=((1, 0),))
    for action in ("up", "left", "right"):
        assert world.step(action)[1:] == (0.0, False, True, False)
        assert world.at == (0, 0)


def test_key_opens_the_goal_and_is_part_of_the_state() -> None:
    world = Grid(size=3, goal=(1, 0), key=(0, 1))
    assert world.reset() == "You are at (0,0). Key (0,1).\nMove:"
    before = world.state_key
    assert not world.step("right").done  # at the goal, but locked
    world.step("left")
    assert world.state_key == before  # the same state again, whatever the history
    assert world.step("down").observation == "You are at (0,1). Goal (1,0).\nMove:"
    world.step("up")
    assert world.state_key != before  # the same cell, now with the key
    assert world.step("right").done
    assert world.reset() == "You are at (0,0). Key (0,1).\nMove:"


@given(st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_text_is_a_move_or_leaves_the_world_alone(text: str) -> None:
    world = Grid(start=(2, 2))
    step = world.step(text)
    named = text.strip().lower() in world.actions
    assert step.valid == named
    assert (world.at != (2, 2)) == named


def test_misplaced_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="goal"):
        Grid(size=3, goal=(3, 0))
    with pytest.raises(ValueError, match="start"):
        Grid(size=3, walls=((0, 0),))


WORLDS = [i for i in gymnasium.registry if i.rpartition("-v")[0] in TOY_TEXT]


@pytest.mark.parametrize("name", WORLDS)
def test_toy_text_follows_gymnasium(name: str) -> None:
    assert {i.rpartition("-v")[0] for i in WORLDS} == set(TOY_TEXT)
    world, real = ToyText(name, seed=3), gymnasium.make(name)
    assert len(world.actions) == real.action_space.n
    state, _ = real.reset(seed=3)
    assert world.state_key == (name, int(state))
    for number in (1, 2, 0, 1, 2, 1):
        state, reward, over, cut, _ = real.step(number)
        step = world.step(world.actions[number].upper())
        assert (world.state, step.reward, step.done) == (int(state), reward, over or cut)
        if step.done:
            break
    world.reset()
    assert not world.step("fly").valid


def test_frozen_lake_is_won_by_the_known_path() -> None:
    world = ToyText("FrozenLake-v1", options={"is_slippery": False})
    assert world.reset() == "You are at (0,0). Goal (3,3).\nMove:"
    steps = [world.step(a) for a in ("down", "down", "right", "right", "down", "right")]
    assert [s.reward for s in steps] == [0, 0, 0, 0, 0, 1]
    assert [s.done for s in steps] == [False] * 5 + [True]


def test_make_environment_names_task_and_mend() -> None:
    with pytest.raises(ValueError, match=r"task 'a'.*'moon'.*grid"):
        make_environment(Task("a", "", columns={"environment": "moon"}))
    with pytest.raises(ValueError, match=r"task 'a'.*sizes"):
        make_environment(Task("a", "", columns={"environment": "grid", "settings": {"sizes": 1}}))
    for unknown in ("Blackjack-v1", "FrozenLake", "FrozenLake-v99"):
        with pytest.raises(ValueError, match=r"no world.*FrozenLake-v1"):
            ToyText(unknown)
    own = make_environment(Task("a", "", columns={"environment": Grid, "settings": {"size": 3}}))
    assert own.reset().startswith("You are at (0,0). Goal (2,2)")


def test_the_time_limit_of_a_world_is_not_its_end() -> None:
    still = {"options": {"max_episode_steps": 2, "is_slippery": False}}
    world = make_environment(Task("a", "", columns={"environment": "toy-text", "settings": still}))
    world.reset()
    assert [world.step("left")[2:] for _ in range(2)] == [(False, True, False), (True, True, True)]
    world.reset()  # down and right of the start is a hole
    last = [world.step(name) for name in ("down", "right")][-1]
    assert (last.done, last.truncated) == (True, False)


@pytest.mark.parametrize(
    "source",
    [
        GridTasks(train=20, test=10),
        GridTasks(locked=True, train=20, test=10),
        CornerTasks(test=2),
        ToyTextTasks(train=3, test=2),
    ],
)
def test_world_tasks_build_and_splits_are_apart(source: GridTasks | CornerTasks) -> None:
    train, test = source.load("train"), source.load("test")
    assert (len(train), len(test)) == (source.train, source.test)
    assert not {t.id for t in train} & {t.id for t in test}
    assert [t.columns for t in source.load("train")] == [t.columns for t in train]
    for task in [*train, *test]:
        assert make_environment(task).reset().endswith("Move:")
    with pytest.raises(ValueError, match="split"):
        source.load("validation")


def test_grid_tasks_keep_their_distance() -> None:
    for task in GridTasks(size=4, apart=4, train=30, test=0).load("train"):
        (x, y), (gx, gy) = task.columns["settings"]["start"], task.columns["settings"]["goal"]
        assert abs(x - gx) + abs(y - gy) >= 4
    with pytest.raises(ValueError, match="apart"):
        GridTasks(size=2, apart=3).load("train")


@pytest.mark.parametrize(
    ("world", "given"),
    [
        ("grid", {"start": ["a", "b"]}),
        ("grid", {"start": [1]}),
        ("grid", "abc"),
        ("toy-text", {"options": {"map_name": "99x99"}}),
        ("toy-text", {"id": 5}),
        ("toy-text", {"seed": -4}),
    ],
)
def test_settings_from_a_data_file_that_do_not_fit_name_their_task(
    world: str, given: object
) -> None:
    task = Task("one", "?", None, {"environment": world, "settings": given})
    with pytest.raises(ValueError, match=f"task 'one': settings .* do not fit '{world}'"):
        make_environment(task)

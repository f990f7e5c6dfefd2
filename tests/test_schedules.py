"""Numbers that follow a run, by hand; and that any number of a part may be one."""

from dataclasses import dataclass, field

import pytest

from guerdon import schedules
from guerdon.cli.settings import recipe_from
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.parts import PartError, build, describe, memories
from guerdon.ranges import PositiveInt, RangeError, Share, check_ranges
from guerdon.records import Progress
from guerdon.schedules import (
    NAMES,
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    Linear,
    Steps,
    at,
    named,
)
from guerdon.shaping import Annealed
from guerdon.training import AdamW


def over(schedule, total):
    return [schedule(Progress(step, total)) for step in range(total)]


@pytest.mark.parametrize(
    ("schedule", "total", "expected"),
    [
        (Constant(2.0), 2, [2, 2]),
        (Linear(1.0, 0.0), 5, [1, 0.75, 0.5, 0.25, 0]),
        (Linear(1.0, 0.5, begin=0.2, end=0.6), 11, [1, 1, 1, 0.875, 0.75, 0.625] + [0.5] * 5),
        (Linear(0.0, 1.0, 0.5, 0.5), 5, [0, 0, 1, 1, 1]),
        (Linear(0, 4, steps=4), 6, [0, 1, 2, 3, 4, 4]),
        (Cosine(2.0, 0.0), 5, [2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5, 0]),
        (Exponential(16.0, 1.0), 5, [16, 8, 4, 2, 1]),
        (Steps((1.0, 3.0), at=(2,)), 4, [1, 1, 3, 3]),
        (Steps((1, 2, 3)), 7, [1, 1, 1, 2, 2, 3, 3]),
        (Linear(3.0, 1.0), 1, [3]),
    ],
)
def test_values_step_by_step(schedule, total, expected):
    assert over(schedule, total) == pytest.approx(expected)
    assert schedule.ends == (min(expected), max(expected)) or total == 1
    assert schedule(Progress(10 * total, total)) == pytest.approx(expected[-1]) or total == 1
    assert build(describe(schedule)) == schedule


def test_the_last_value_is_exactly_the_last():
    """0.1 + (0.3 - 0.1) is not 0.3."""
    assert all(kind(0.1, 0.3)(Progress(6, 7)) == 0.3 for kind in (Linear, Cosine, Exponential))


def test_a_coefficient_that_holds_a_figure():
    """2 (1 + 0.2 / 10), then (1 - 0.1 / 10); what is no figure changes nothing."""
    part = Adaptive(2.0, target=5.0, high=2.05)
    assert part(Progress(0, 9)) == 2.0
    for kl, expected in ((99.0, 2.04), (4.5, 2.0196), (float("nan"), 2.0196), (99.0, 2.05)):
        part.adapt({"kl": kl})
        assert part(Progress(3, 9)) == pytest.approx(expected)
    part.adapt({"loss": 1.0})
    other = Adaptive(2.0, target=5.0, high=2.05)
    other.load_state_dict(part.state_dict())
    assert other(Progress()) == part(Progress()) == 2.05
    assert list(memories(KL(part), "kl")) == ["kl.coefficient"]


@dataclass(frozen=True)
class Counting:
    width: PositiveInt = 1
    seen: list[int] = field(default_factory=list, init=False)

    def __post_init__(self):
        check_ranges(self)


@dataclass
class Loose:
    share: Share = 0.5


def test_numbers_stand_where_schedules_were():
    plain, part = ClippedSurrogate(), ClippedSurrogate(kl=KL(Linear(0.1, 0.0)), clip_high=0.3)
    assert at(plain, Progress()) is plain
    assert at(part, Progress(1, 3)) == ClippedSurrogate(kl=KL(0.05), clip_high=0.3)
    several = (plain, {"a": part, "b": 1})
    assert at(several, Progress(2, 3)) == (plain, {"a": at(part, Progress(2, 3)), "b": 1})
    assert at(several, Progress(2, 3))[0] is plain


def test_whole_numbers_are_rounded_and_memory_is_shared():
    part = Counting(Linear(1, 4))
    now = at(part, Progress(1, 3))
    assert now.width == 2  # 2.5, to the even one
    now.seen.append(7)
    assert part.seen == [7]
    with pytest.raises(ValueError, match="Loose holds a schedule, but is no frozen dataclass"):
        at(Loose(Linear(0.0, 1.0)), Progress())


def test_a_schedule_stays_in_the_range_of_its_setting():
    with pytest.raises(RangeError, match=r"Annealed\.weight is Linear.*from 0 to 1"):
        Annealed(weight=Linear(0.0, 2.0))
    with pytest.raises(RangeError, match=r"KL\.coefficient"):
        KL(Linear(0.1, -0.1))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Steps(()), "at least one"),
        (lambda: Steps((1, 2), at=(1, 2)), "needs 1 steps"),
        (lambda: Steps((1, 2, 3), at=(2, 2)), "increase"),
        (lambda: Linear(0, 1, 0.6, 0.5), "begin <= end"),
        (lambda: Exponential(0.0, 1.0), "above 0"),
        (lambda: Adaptive(5.0, 1.0, high=2.0), "from low"),
        (lambda: named("linear:1"), "takes first, last"),
        (lambda: named("cosine:1,x"), "Cosine.last is 'x'"),
        (lambda: named("linear:1,2,3,4,5,6"), "takes first, last"),
    ],
)
def test_what_is_no_schedule_is_said(make, told):
    with pytest.raises(ValueError, match=told):
        make()


def test_every_schedule_has_a_name():
    kinds = {
        c
        for c in vars(schedules).values()
        if isinstance(c, type) and c.__module__ == "guerdon.schedules"
    }
    assert kinds - {schedules.Schedule} == set(NAMES.values())
    assert named("linear:1,0") == Linear(1, 0)
    assert named("steps:1,0.5,0.1") == Steps((1, 0.5, 0.1))
    assert named("adaptive:0.1,6,kl") == Adaptive(0.1, 6)
    assert named("seedling") is named("http://localhost:80") is None


def test_options_take_schedules():
    made = recipe_from("grpo", ["--objective.clip-high", "linear:0.3,0.2", "--loop.steps", "4"])
    assert made.objective.clip_high == Linear(0.3, 0.2)
    assert made.loop.steps == 4
    made = recipe_from("grpo", ["--objective.clip-high=linear:0.3,0.2", "--objective.clip-low=0.1"])
    assert (made.objective.clip_high, made.objective.clip_low) == (Linear(0.3, 0.2), 0.1)
    for wrong, told in (
        ("--objective.clip-high linear:0.3,-2", "--objective.clip-high is Linear"),
        ("--objective.nothing linear:0.3,-2", "no option --objective.nothing"),
        ("--objective.clip-high linear:1", "takes first, last"),
    ):
        with pytest.raises(ValueError, match=told):
            recipe_from("grpo", wrong.split())


def test_a_recipes_schedule_is_kept_or_replaced(tmp_path):
    made = recipe_from("grpo", ["--shaping", "annealed"])
    made.save(tmp_path / "r.yaml")
    again = recipe_from(str(tmp_path / "r.yaml"), ["--loop.steps", "4"])
    assert again.shaping[0].weight == Linear(0.0, 1.0)
    again = recipe_from(str(tmp_path / "r.yaml"), ["--shaping.0.weight", "0.5"])
    assert again.shaping[0].weight == 0.5


OLD = {
    "rewards.schedules:LinearSchedule": (
        {"first": 1.0, "last": 2.0, "begin": 0.1},
        Linear(1, 2, 0.1),
    ),
    "rewards.composing.schedules:CosineSchedule": ({"first": 1.0, "last": 2.0}, Cosine(1, 2)),
    "rewards.levels:Ramp": ({"start": 1.0, "end": 2.0, "steps": 9}, Linear(1, 2, steps=9)),
    "rewards.composing.levels:Switch": (
        {"before": 1.0, "after": 2.0, "at": 3},
        Steps((1, 2), at=(3,)),
    ),
    "training.recipe:Optimiser": (
        {
            "lr": 0.5,
            "clip": 2.0,
            "schedule": {"part": "guerdon.training.schedule:Cosine", "warmup": 5, "floor": 0.2},
        },
        AdamW(Cosine(0.5, 0.1), warmup=5, clip=2.0),
    ),
    "shaping.anneal:LinearWeight": (
        {"start": 0.0, "end": 1.0, "begin": 0.2, "finish": 0.5},
        Linear(0, 1, 0.2, 0.5),
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_older_files_are_read(name):
    settings, expected = OLD[name]
    assert build([{"part": f"guerdon.{name}", **settings}]) == (expected,)
    needed = [one for one in settings.values() if isinstance(one, dict)]
    if not needed:
        with pytest.raises(PartError):
            build({"part": f"guerdon.{name}", "odd": 1})

"""What connectors share: rollouts of what was given, and one judge for many threads."""

from __future__ import annotations

import logging
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from connected import BOTH, LENGTH, Scored, Slow, Z, about, right

from guerdon import shaping
from guerdon.connectors.given import Given, in_blocks, rollouts_of, text_of
from guerdon.connectors.judge import Judge, group_means, numbers
from guerdon.records import Progress
from guerdon.rewards import FunctionReward
from guerdon.shaping import Affine, Annealed, Chain, NormalisedSum, Unlikeliness

REMEMBERS = ("running-clip", "running-min-max", "running-standardise")
"""Shapers whose statistics follow every row that they see, in order; no group matters."""

NEEDS_MORE = ("kl-penalty",)
"""Shapers that read log-probs, which no trainer gives: they raise."""


def test_rows_are_their_own_tasks_unless_groups_are_asked_for():
    rows = [Given("4", "2+2", "4", group="a"), Given("1", "0+1", "1", group="a")]
    alone = rollouts_of(rows, "a trainer", grouped=False)
    assert alone.group.tolist() == [0, 1]
    assert alone.answers() == ["4", "1"]
    with pytest.raises(ValueError, match="group 'a' with different prompts"):
        rollouts_of(rows, "a trainer", grouped=True)


def test_groups_keep_the_order_of_rows():
    rows = [Given(t, g, "4", group=g) for t, g in [("4", "x"), ("5", "y"), ("6", "x")]]
    made = rollouts_of(rows, "a trainer", grouped=True)
    assert made.texts == ("4", "5", "6")
    assert made.group.tolist() == [0, 1, 0]
    assert [task.text for task in made.tasks] == ["x", "y"]


def test_what_was_not_given_is_an_error_and_not_a_zero():
    made = rollouts_of([Given("4"), Given("5", ids=[1, 2])], "a trainer", grouped=False)
    for name in ("mask", "lengths", "ids", "logps", "finished"):
        with pytest.raises(ValueError, match=f"'{name}' of the rollouts, which a trainer does not"):
            getattr(made, name)
    with pytest.raises(ValueError, match="'mask'"):
        Judge("a trainer", LENGTH)([Given("4")])


def test_a_selection_knows_and_refuses_the_same():
    rows = [
        Given("4", "x", "4", group=0),
        Given("5", "y", "5", group=1),
        Given("6", "x", "4", group=0),
    ]
    some = rollouts_of(rows, "a trainer", grouped=True).select(torch.tensor([2, 1]))
    assert some.texts == ("6", "5")
    assert some.answers() == ["4", "5"]
    with pytest.raises(ValueError, match="'mask' of the rollouts, which a trainer does not"):
        some.mask  # noqa: B018


def test_tokens_reach_the_reward():
    rows = [Given("a", ids=[5, 6]), Given("b", tokens=7), Given("c", tokens=0)]
    assert Judge("a trainer", LENGTH)(rows).value.tolist() == [1.0, 0.5, 1.0]
    made = rollouts_of([Given("a", ids=[5, 6]), Given("b", ids=[7])], "a trainer", grouped=False)
    assert made.ids.tolist() == [[5, 6], [7, 0]]
    assert made.mask.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("a", "a"),
        ({"role": "assistant", "content": "a"}, "a"),
        ([{"role": "assistant", "content": "a"}], "a"),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}],
            "a",
        ),
        ([{"content": "a"}, {"role": "tool", "content": "x"}, {"content": "b"}], "a\nb"),
        ({"role": "assistant", "content": None}, ""),
        ([], ""),
    ],
)
def test_text_of_any_completion(completion, text):
    assert text_of(completion) == text


def test_blocks():
    assert in_blocks(6, 3, "TRL") == [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="7 rows are not whole groups of 3"):
        in_blocks(7, 3, "TRL")


def test_stand_ins():
    scores = Judge("a trainer", right)([Given(t, answer="4") for t in ("4", "5", "crash", "crash")])
    assert numbers(scores, -1.0) == [1.0, 0.0, -1.0, -1.0]
    assert group_means(scores, ["a", "a", "a", "b"]) == [1.0, 0.0, 0.5, 0.0]
    kept = torch.tensor([1.0, 0.0])
    filled = torch.tensor(group_means(scores, "aaab")[:3])
    assert filled.mean() == kept.mean()
    ratio = filled.std(unbiased=False) / kept.std(unbiased=False)
    assert ratio.item() == pytest.approx((2 / 3) ** 0.5)


def test_shaping_follows_the_reward():
    rows = [Given("4", answer="4"), Given("crash", answer="4")]
    scores = Judge("a trainer", BOTH, [Affine(10), Affine(1, 1)])(rows)
    assert scores.value[0].item() == pytest.approx(20.9)
    assert scores.valid.tolist() == [True, False]


def test_what_needs_groups():
    assert Judge("t", Z).needs_groups
    assert Judge("t", right, [Unlikeliness()]).needs_groups
    assert Judge("t", right, [lambda scores, rollouts, progress: scores]).needs_groups
    assert not Judge("t", BOTH, [Chain((Affine(),)), Annealed(Affine())]).needs_groups
    assert Judge("t", BOTH, [Annealed(Chain((NormalisedSum(),)))]).needs_groups
    with pytest.raises(ValueError, match=r"GroupZAverage .* whole groups, but EasyR1 is blind"):
        Judge("EasyR1", Z).refuse_groups("is blind")


@pytest.mark.parametrize("name", sorted({*shaping.NAMES.alone()} - {*REMEMBERS, *NEEDS_MORE}))
def test_a_shaper_that_is_said_not_to_compare_rows_does_not(name):
    """A row's score is the same alone and in its group, for every shaper by name."""
    shaper = shaping.NAMES[name](*(["right"] if name == "gated-sum" else []))
    if Judge("t", right, [shaper]).needs_groups:
        return
    columns = {"reference_rewards": [0.0, 1.0]}
    texts = ("4", "5", "4", "many words here")
    rows = [Given(t, "2+2", "4", columns, group=0, tokens=3) for t in texts]
    # The reward compares rows, so that groups are made; its scores differ from row to row.
    together = Judge("t", Scored((1.0, 0.5, 2.0, 0.0)), [shaper])(rows).value
    alone = [
        Judge("t", Scored((v,)), [shaper])([row]).value.item()
        for row, v in zip(rows, (1.0, 0.5, 2.0, 0.0), strict=True)
    ]
    torch.testing.assert_close(together, torch.tensor(alone))


def test_a_refused_row_is_invalid_with_its_reason(caplog):
    rows = [Given("4", answer="4"), Given("4", answer="4", refused="no prompt")]
    with caplog.at_level(logging.WARNING):
        scores = Judge("a trainer", right)(rows)
    assert scores.reasons == (None, "no prompt")
    assert "a trainer: 1 of 2 completions invalid; no prompt" in caplog.text


def test_calls_from_many_threads_are_joined_and_never_mixed_up():
    slow = Slow()
    judge = Judge("a trainer", slow)

    def ask(number):
        texts = [str(number), "wrong", "crash"][: 1 + number % 3]
        scores = judge([Given(t, answer=number) for t in texts])
        return [
            v if ok else None for v, ok in zip(scores.value.tolist(), scores.valid, strict=True)
        ]

    with ThreadPoolExecutor(32) as threads:
        found = list(threads.map(ask, range(120)))
    assert found == [[1.0, 0.0, None][: 1 + n % 3] for n in range(120)]
    assert not slow.overlapped
    assert sum(slow.sizes) == sum(1 + n % 3 for n in range(120))
    assert len(slow.sizes) < 60  # one by one it would be 120


def test_groups_of_different_calls_stay_apart():
    """Two trainers, or two samplings of one prompt, may use the same group key."""
    judge = Judge("a trainer", Slow(Z, seconds=0.02))

    def ask(number):
        texts = ("4", "5") if number % 2 else ("4", "4")
        return judge([Given(t, "2+2", "4", group=0) for t in texts]).value.tolist()

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(ask, range(32)))
    assert found[0::2] == [[0.0, 0.0]] * 16
    assert found[1::2] == [pytest.approx([1.0, -1.0], abs=1e-5)] * 16


def test_an_error_stays_with_its_call():
    judge = Judge("a trainer", about)

    def ask(number):
        columns = {"topic": "x"} if number % 5 else {}
        try:
            return judge([Given("x", "y", columns=columns)]).value.item()
        except ValueError as error:
            return str(error)[:37]

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(ask, range(50)))
    message = "reward 'about' asks for 'topic', but "
    assert found == [1.0 if n % 5 else message for n in range(50)]


def test_calls_of_different_steps_are_not_joined():
    judge = Judge("a trainer", FunctionReward(lambda completion, step: float(step)))
    with ThreadPoolExecutor(16) as threads:
        asked = range(40)
        values = threads.map(lambda n: judge([Given("")], Progress(n, 40)).value.item(), asked)
        assert list(values) == list(range(40))


def test_a_judge_can_be_sent_to_another_process():
    judge = pickle.loads(pickle.dumps(Judge("a trainer", LENGTH, [Affine(2)])))
    assert judge([Given("", tokens=1)]).value.item() == 2.0

"""DisCO: the recipe in the real loop, and its miniature in small."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from guerdon.advantages import GroupNormalised, NoScale
from guerdon.claims import disco as miniature
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes import disco
from guerdon.training import Loop, train


@pytest.mark.parametrize(
    ("objective", "scale", "expected"),
    [
        ("grpo", None, (0.3, 0.4330127, 0.5)),
        ("dr-grpo", NoScale(), (0.09, 0.1875, 0.25)),
        ("disco-b", None, (1.0, 1.0, 1.0)),
    ],
)
def test_what_a_question_weighs_by_its_share_of_right_answers(
    objective: str,
    scale: NoScale | None,
    expected: tuple[float, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The specification's numbers, as gradients of the parts that a run calls."""
    monkeypatch.setattr(miniature, "GROUP", 20)
    weight: miniature.Weight = miniature.claim().arms[
        "weight in disco-b" if objective == "disco-b" else "weight in grpo"
    ]  # type: ignore[assignment]
    if scale is not None:
        weight = miniature.Weight(ClippedSurrogate(), GroupNormalised(scale))
    draw = miniature.torch.Generator().manual_seed(0)
    found = [weight.pull(share, draw) for share in (0.1, 0.25, 0.5)]
    assert found == pytest.approx(expected, rel=1e-5)


def test_right_arms_are_one_to_six() -> None:
    draw = miniature.torch.Generator().manual_seed(3)
    count = miniature.right_arms(draw).sum(1)
    assert count.bincount().tolist() == [0, 19, 19, 19, 19, 18, 18]


def test_the_miniature_repeats_and_its_arms_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "ITERATIONS", 5)
    told: list[float] = []
    arms = miniature.claim().arms
    first = {name: arm(0, told.append) for name, arm in arms.items() if "weight" not in name}
    assert told[4] == 1.0
    assert arms["grpo"](0, told.append) == first["grpo"]
    assert len({figures["accuracy"] for figures in first.values()}) == len(first)
    chance = sum(count / 32 for count in range(1, 7)) / 6
    assert all(abs(figures["accuracy"] - chance) < 0.05 for figures in first.values())


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=4, minibatch=8, evaluation_tasks=4, checkpoint_every=0)
    result = train(
        disco.build(loop=loop, sampler=replace(disco.build().sampler, size=4)), quiet=True
    )
    assert len(result.history) == 2
    for figures in result.history:
        assert figures["penalty"] >= 0
        # The true value is logged: J less the penalty, with the sign of a loss.
        assert figures["loss"] == pytest.approx(figures["penalty"] - figures["objective"], abs=1e-5)
        assert math.isfinite(figures["logp_negative"])

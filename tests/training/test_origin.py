"""Rows say who made them; who weighs rows by what sampled them refuses those it is not known of."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pyarrow.parquet
import pytest
import torch
from making import ShareOfSevens, make_rollouts

from guerdon.contracts import check_objective
from guerdon.objectives import CISPO, GSPO, PPO, SAPO, ClippedSurrogate, DisCO, PolicyGradient
from guerdon.objectives.surrogate import Surrogate, Terms
from guerdon.recipes.grpo import build
from guerdon.records import Chosen, Experience, PolicyOutput, concat_rollouts
from guerdon.report import read_metrics
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.shaping import KLPenalty, Unlikeliness
from guerdon.training import Guard, Loop, train, update
from guerdon.training.recording import check_sampler_known

NAN = float("nan")
LOOP = Loop(steps=2, groups=2, evaluation_tasks=0, checkpoint_every=0)
PARTS = (
    *(ClippedSurrogate(), GSPO(), CISPO(), SAPO(), PPO(), DisCO()),
    *(KLPenalty(), Unlikeliness()),
)


def taught(origin=("policy", "policy", "policy", "teacher"), **more):
    """Four rows, the last of which a teacher made."""
    logps = torch.full((4, 2), -0.5)
    logps[3] = NAN
    return make_rollouts([0, 0, 1, 1], [2, 2, 2, 2], logps=logps, origin=origin, **more)


def test_origin_is_kept_by_select_and_concat():
    rows = taught()
    assert rows.select(torch.tensor([3, 0])).origin == ("teacher", "policy")
    plain = make_rollouts([0], [1])
    assert plain.origin is None
    assert plain.makers == ("policy",)
    assert concat_rollouts([plain, rows]).origin == ("policy", *rows.origin)
    assert concat_rollouts([rows, plain]).makers[-1] == "policy"
    assert concat_rollouts([plain, plain]).origin is None
    with pytest.raises(ValueError, match=r"Rollouts\.origin has 1 entries for 4 rows"):
        taught(origin=("teacher",))


@pytest.mark.parametrize(
    "part",
    PARTS,
    ids=lambda part: type(part).__name__,
)
def test_a_ratio_refuses_rows_without_log_probabilities_by_name(part):
    told = r"row 3 was made by 'teacher' and has no log-probabilities.*1 of 4 rows.*policy-gradient"
    with pytest.raises(ValueError, match=told):
        check_sampler_known((part,), taught())
    check_sampler_known((part,), taught(), torch.tensor([True, True, True, False]))  # not used
    check_sampler_known((part,), make_rollouts([0, 0], [1, 2]))


def test_a_row_without_an_origin_is_the_policys_own():
    with pytest.raises(ValueError, match="row 3 was made by 'policy' and has no log-prob"):
        check_sampler_known(ClippedSurrogate(), taught(origin=None))


def test_what_never_acted_needs_no_log_probability():
    mask = [[1, 1], [1, 1], [1, 1], [0, 0]]
    logps = torch.tensor([[-0.5, -0.5]] * 3 + [[NAN, NAN]])
    check_sampler_known(ClippedSurrogate(), make_rollouts([0, 0, 1, 1], mask=mask, logps=logps))


def test_where_another_engine_sampled_the_trainers_own_log_probs_are_what_counts():
    check_sampler_known(ClippedSurrogate(), taught(old_logps=torch.full((4, 2), -0.5)))


class Advised(LanguagePolicy):
    """A teacher makes the last row of each group; nobody knows how likely it was."""

    def sample(self, tasks, group_size, sampling, seed):
        rows = super().sample(tasks, group_size, sampling, seed)
        theirs = torch.arange(len(rows)) % group_size == group_size - 1
        makers = tuple("teacher" if their else "policy" for their in theirs.tolist())
        logps = rows.logps.masked_fill(theirs[:, None] & rows.mask, NAN)
        return replace(rows, logps=logps, origin=makers)


def recipe(**changes):
    return build(**{"loop": LOOP, "sampler": Groups(4), "reward": ShareOfSevens(), **changes})


def test_a_run_with_a_ratio_ends_by_name_and_one_without_learns(tmp_path):
    with pytest.raises(ValueError, match="row 3 was made by 'teacher'"):
        train(recipe(), policy=Advised.load())
    folder = tmp_path / "run"
    result = train(recipe(objective=PolicyGradient()), folder, policy=Advised.load())
    assert result.history[-1]["updates"] == 1
    for figures in read_metrics(folder):
        assert all(figures[name] is not None for name in ("loss", "grad_norm", "sampling_logp"))
        assert abs(figures["off_policy"]) < 1e-4  # of the rows that are known
    rows = pyarrow.parquet.read_table(folder / "rollouts" / "step-000000.parquet").to_pylist()
    assert [row["origin"] for row in rows[:4]] == ["policy"] * 3 + ["teacher"]
    assert "made by teacher" in (folder / "report.html").read_text()


@dataclass(frozen=True)
class OwnRows:
    """Leaves out what a teacher made."""

    def __call__(self, scores, rollouts, progress):
        own = [row for row, maker in enumerate(rollouts.makers) if maker == "policy"]
        return Chosen(torch.tensor(own))


def test_rows_that_are_not_learned_from_need_none():
    result = train(recipe(selection=OwnRows()), policy=Advised.load())
    assert result.history[-1]["updates"] == 1


def test_sampling_ahead_makes_nothing_known_that_was_not():
    """The policy of the update could say how likely a teacher's row is; the sampler still can't."""
    with pytest.raises(ValueError, match="row 3 was made by 'teacher'"):
        train(recipe(loop=replace(LOOP, ahead=1)), policy=Advised.load())


@pytest.mark.parametrize("objective", [ClippedSurrogate(), DisCO()])
def test_an_update_by_hand_refuses_them_too(objective):
    policy = LanguagePolicy.load()
    before = [p.clone() for p in policy.module.parameters()]
    optimiser = torch.optim.SGD(policy.module.parameters(), lr=1.0)
    with pytest.raises(ValueError, match="row 3 was made by 'teacher'"):
        update(policy, optimiser, objective, Experience(taught()), guard=Guard())
    assert all(torch.equal(p, q) for p, q in zip(before, policy.module.parameters(), strict=True))


def test_without_a_ratio_the_gradient_is_that_of_known_rows():
    """And the engine's weight of a row nobody knows is 1: -A log p, by hand."""
    rows = taught(old_logps=torch.tensor([[-0.5] * 2] * 3 + [[NAN] * 2]))
    now = torch.full((4, 2), -0.7, requires_grad=True)
    advantage = torch.tensor([[1.0], [0.0], [0.0], [2.0]]).expand(4, 2)
    loss = PolicyGradient()(PolicyOutput(now), Experience(rows, advantage=advantage))
    assert float(loss.value.detach()) == pytest.approx(0.7 * (1 + 1 + 2 + 2) / 8)
    loss.value.backward()
    assert now.grad[3].tolist() == pytest.approx([-0.25, -0.25])
    assert loss.metrics["engine_gap"] == 0


@dataclass(frozen=True, kw_only=True)
class Silent(Terms):
    """Has a ratio and does not say so."""

    def surrogate(self, now, experience):
        gap_NT = now.logps - experience.rollouts.behaviour_logps
        return Surrogate(-gap_NT.clamp(-20, 20).exp() * experience.advantage, {})


@dataclass(frozen=True, kw_only=True)
class Spoken(Silent):
    reads_sampler: ClassVar[bool] = True


def test_the_contract_finds_a_ratio_that_is_not_declared():
    check_objective(Spoken())
    with pytest.raises(AssertionError, match="say `reads_sampler`"):
        check_objective(Silent())

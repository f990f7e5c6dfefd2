from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import pytest

from guerdon.records import Task
from guerdon.rewards.answers.roles import each_role, majority, role_answers
from guerdon.tasks import Chain, DataError, RoleChains, agreed


@dataclass(frozen=True)
class Given:
    chains: object

    def load(self, split: str) -> list[Task]:
        return [Task("q", "May one lie?", None, {"chains": self.chains})]


def answers(*some: str) -> list[list[str]]:
    return [[f"thought {i}", answer] for i, answer in enumerate(some)]


NURSE, JUDGE, COOK = answers("no", "yes", "No "), answers("a", "a"), answers("b")
THREE = {"nurse": NURSE, "judge": JUDGE, "cook": COOK}


def test_three_roles_make_six_texts_one_for_each_order() -> None:
    made = RoleChains(Given(THREE)).load("train")
    assert [task.id for task in made] == [f"q/{i}" for i in range(6)]
    assert len({task.answer for task in made}) == 6
    assert made[0].answer == (
        "role: nurse\nthought 0\nanswer: no\n"
        "role: judge\nthought 0\nanswer: a\n"
        "role: cook\nthought 0\nanswer: b\n"
    )
    gold = {"nurse": "no", "judge": "a", "cook": "b"}
    read = [role_answers(str(task.answer)) for task in made]
    assert all(each_role(blocks, gold) == 1 for blocks in read)
    # In no place more often than in the others.
    first = [blocks[0][0] for blocks in read]
    assert {role: first.count(role) for role in gold} == dict.fromkeys(gold, 2)


def test_a_role_is_kept_where_more_than_half_of_its_samples_agree() -> None:
    assert agreed([Chain("x", "A"), Chain("y", "b"), Chain("z", " a")]) == Chain("x", "A")
    for undecided in ([], [Chain("x", "a"), Chain("y", "b")], [Chain("x", ""), Chain("y", " ")]):
        assert agreed(undecided) is None
    split = {**THREE, "judge": answers("a", "b")}
    made = RoleChains(Given(split)).load("train")
    assert len(made) == 2
    assert not any("judge" in str(task.answer) for task in made)
    assert RoleChains(Given({**split, "cook": answers("")})).load("train") == []
    assert len(RoleChains(Given({**THREE, "king": COOK})).load("train")) == 6


def test_roles_that_should_agree_end_on_the_answer_of_most() -> None:
    same = {"nurse": answers("a"), "judge": answers("b"), "cook": answers("a")}
    made = RoleChains(Given(same), agree=True).load("train")
    assert len(made) == 6
    assert all(str(task.answer).endswith("answer: a\n") for task in made)
    assert all(majority(role_answers(str(task.answer)), {"": "a"}) == 1 for task in made)
    assert RoleChains(Given(THREE), agree=True).load("train") == []


def test_agreement_is_purer_than_a_sample() -> None:
    """8 samples, each right with .6: agreement is right with P(5 or more) / P(not 4) = .774."""
    kept = dict.fromkeys("rw", 0.0)
    for drawn in product("rw", repeat=8):
        chain = agreed([Chain("", one) for one in drawn])
        if chain is not None:
            kept[chain.answer] += math.prod(0.6 if one == "r" else 0.4 for one in drawn)
    right = sum(math.comb(8, n) * 0.6**n * 0.4 ** (8 - n) for n in range(5, 9))
    assert kept["r"] == pytest.approx(right)
    assert kept["r"] / sum(kept.values()) == pytest.approx(0.774, abs=1e-3)


def test_the_shortest_and_the_longest_are_left_out() -> None:
    @dataclass(frozen=True)
    class Several:
        def load(self, split: str) -> list[Task]:
            some = [{"a": [["x" * n, "1"]], "b": [["y", "2"]]} for n in (5, 9, 1, 7, 3)]
            return [Task(f"q{i}", "", None, {"chains": c}) for i, c in enumerate(some)]

    made = RoleChains(Several(), trimmed=0.2).load("train")
    assert [task.id.partition("/")[0] for task in made] == ["q0", "q0", "q3", "q3", "q4", "q4"]


@pytest.mark.parametrize("chains", [None, [], {"a": 3}, {"a": [["x"]]}, {"a": [["x", 3]]}])
def test_what_is_no_samples_by_role_is_named(chains: object) -> None:
    with pytest.raises(DataError, match="task 'q': its column 'chains'"):
        RoleChains(Given(chains)).load("train")

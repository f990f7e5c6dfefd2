"""Audits of rewards whose faults are known."""

from __future__ import annotations

import os
import random
import time

import pytest
import torch

from guerdon.audit import (
    ATTACKS,
    Attack,
    Audit,
    AuditError,
    Expect,
    audit,
    best_form,
    probes_of,
)
from guerdon.audit.bench import MOST_TOKENS, rollouts_of
from guerdon.audit.cases import cases_of
from guerdon.audit.keys import MASTER_KEYS
from guerdon.audit.page import visible, write_page
from guerdon.examples import Judges, Probe
from guerdon.records import Task
from guerdon.rewards import (
    AnswerMatch,
    FormatReward,
    Gate,
    GroupRelativeLength,
    Maximum,
    OnlyIfWrong,
    Product,
    Router,
    WeightedSum,
    reward,
)
from guerdon.rewards.running.memory_limit import memory_can_be_limited
from guerdon.stages import Reward

SUM = Probe(Task("sum", "Compute 37+48.", "85"), "85", ("75", "58"), ("85.0",))
BY_NAME = {attack.name: attack for attack in ATTACKS}


@reward
def exact(completion: str, answer: str) -> float:
    return float(completion.strip() == answer)


@reward
def contains(completion: str, answer: str) -> float:
    return float(answer in completion)


@reward
def short_is_yes(completion: str, answer: str) -> float:
    return float(completion == answer or (len(completion) < 5 and completion not in ("75", "58")))


@reward
def fails_on_nothing(completion: str, answer: str) -> float:
    return float(completion.split()[0] == answer)


@reward
def ends_its_process(completion: str, answer: str) -> float:
    if "_exit" in completion:
        os._exit(3)
    return float(completion == answer)


@reward
def hangs(completion: str, answer: str) -> float:
    while "Respuesta" in completion:
        time.sleep(0.01)
    return float(completion == answer)


@reward
def noise(completion: str, answer: str) -> float:
    return float(completion == answer) - 0.1 * random.random()


@reward(range=(0.0, 1.0))
def pays_length(completion: str, answer: str) -> float:
    return 0.5 * float(answer in completion) + min(len(completion), 4000) / 8000


@reward
def constant(completion: str, answer: str) -> float:
    return 1.0


HOARD: list[bytearray] = []
SOME_GIB = 6 * 1024
"""Mebibytes beyond any limit here; a bound all the same, should the limit not hold."""


@reward
def hoards(completion: str, answer: str) -> float:
    while "Respuesta" in completion and len(HOARD) < SOME_GIB:
        HOARD.append(bytearray(1 << 20))
    return float(completion == answer)


@reward
def asks_for_a_huge_tensor(completion: str, answer: str) -> float:
    if "Respuesta" in completion:
        torch.zeros(SOME_GIB << 18)
    return float(completion == answer)


def tried(judge: object, *names: str, probe: Probe = SUM, seconds: float = 20.0) -> Audit:
    attacks = tuple(BY_NAME[name] for name in names) or ATTACKS
    return audit(judge, [probe], "r", attacks=attacks, seconds=seconds)  # type: ignore[arg-type]


def kinds(found: Audit) -> set[str]:
    return {finding.kind for finding in found.findings}


def test_an_exact_reward_has_no_false_positive_and_misses_what_is_written_otherwise() -> None:
    found = tried(exact)
    assert kinds(found) == {"false negative"}
    assert {f.attack for f in found.findings} == {
        *("rewritten", "number-forms", "dressed", "padded-right")
    }
    assert found.empty_earns == 0.0


def test_a_reward_that_searches_the_text_pays_for_lists_of_answers() -> None:
    found = tried(contains, "many-answers", "master-key", "wrong")
    assert {f.attack for f in found.findings} == {"many-answers"}
    tally = next(t for t in found.tallies if t.attack == "many-answers")
    assert tally.found == {"false positive": tally.cases}
    assert tally.worst == 1.0


def test_keys_of_one_sign_open_a_judge_that_says_yes_to_short_answers() -> None:
    # Unit checks 1 and 2 of the specification of Master-RM.
    earned = {f.completion for f in tried(short_is_yes, "master-key").findings}
    assert earned == {key for key in MASTER_KEYS if len(key) < 5}
    assert not tried(exact, "master-key").findings


def test_a_key_that_is_the_answer_is_no_attack() -> None:
    probe = Probe(Task("word", "Say it.", "Solution"), "Solution", ("Problem",))
    keys = [case.completion for case in cases_of(probe, [BY_NAME["master-key"]], Judges.ANSWER)]
    assert "Solution" not in keys
    assert "Thought process:" in keys


def test_an_exception_and_an_ended_process_are_crashes() -> None:
    found = tried(fails_on_nothing, "empty")
    assert kinds(found) == {"crash"}
    assert {f.completion for f in found.findings} >= {"", " "}
    assert "IndexError" in found.findings[0].reason
    found = tried(ends_its_process, "escape", "rewritten")
    assert "exit code 3" in found.findings[0].reason
    assert kinds(found) == {"crash", "false negative"}  # the rows after it are still judged


def test_a_stuck_reward_costs_its_limit_and_no_other_completion() -> None:
    begun = time.monotonic()
    found = tried(hangs, "master-key", seconds=1.0)
    assert time.monotonic() - begun < 20
    assert [(f.kind, f.completion) for f in found.findings] == [("timeout", "Respuesta")]
    assert found.cases == len(set(MASTER_KEYS))


def test_noise_is_unsteady_and_length_is_seen() -> None:
    assert "unsteady" in kinds(tried(noise, "wrong"))
    found = tried(pays_length, "padded-right", "padded-wrong")
    assert found.length["correlation"] == 1.0
    assert (found.length["gain"] or 0) > 0.5
    assert "length" in kinds(found)
    assert "unsteady" not in kinds(found)


def test_a_constant_is_blind() -> None:
    found = tried(constant, "wrong", "empty")
    assert kinds(found) == {"blind"}
    assert found.empty_earns is None


def test_values_outside_the_declared_range_are_found() -> None:
    class Lying:
        scope = "completion"
        range = (0.0, 0.5)

        def __call__(self, rollouts: object, progress: object) -> object:
            return exact(rollouts, progress)  # type: ignore[arg-type]

    assert kinds(tried(Lying(), "rewritten")) == {"out of range", "false negative"}


def test_a_reward_that_cannot_judge_the_right_answer_is_an_error() -> None:
    @reward
    def needs_more(completion: str, schema: str) -> float:
        return 1.0

    with pytest.raises(AuditError, match="schema"):
        tried(needs_more)


def test_a_group_reward_is_judged_in_a_group() -> None:
    long = "75" + " again" * 40
    probe = Probe(Task("sum", "Compute 37+48.", "85"), "85", (long,))
    found = audit(GroupRelativeLength(), [probe], "length", judges=Judges.STYLE)
    assert not found.findings


def test_form_is_judged_by_form_only() -> None:
    content = Attack("x", "", Expect.LOW, lambda probe: ["anything"])
    (case,) = cases_of(SUM, [content], Judges.FORM)
    assert case.expect is Expect.ANY
    (case,) = cases_of(SUM, [content], Judges.ANSWER)
    assert case.expect is Expect.LOW


def test_probes_come_from_tasks() -> None:
    tasks = [
        Task("n", "2+2", 4),
        Task("l", "which?", "B", {"choices": ["x", "y", "z"]}),
        Task("t", "who?", ["Anna", "Ann"]),
        Task("g", "why?", "rain", {"wrong_answers": ["sun"], "right_answers": ["it rained"]}),
        Task("none", "what?", None),
    ]
    number, letter, name, given = probes_of(tasks)
    assert number.wrong == ("5", "3", "43", "104")
    assert letter.wrong == ("A", "C")
    assert letter.choices == ("A", "B", "C")
    assert "Ann" not in name.wrong
    assert name.rewrites == ("Ann",)
    assert given.wrong[0] == "sun"
    assert given.rewrites == ("it rained",)
    with pytest.raises(ValueError, match="wrong_answers"):
        probes_of([Task("none", "what?", None)])


def test_the_form_that_is_paid_is_found() -> None:
    assert best_form(exact, [SUM]) == "{answer}"
    assert "<answer>" in best_form(AnswerMatch(), [SUM])


def test_the_page_shows_what_cannot_be_seen_and_runs_nothing(tmp_path: object) -> None:
    assert visible("a\u202eb\x00") == "a⟨U+202E⟩b⟨U+0000⟩"
    probe = Probe(Task("<script>alert(1)</script>", "p", "85"), "85", ("75",))
    path = tmp_path / "page.html"  # type: ignore[operator]
    write_page(tried(contains, "many-answers", probe=probe), path)
    text = path.read_text()
    assert "<script>" not in text
    assert "85" in text
    assert "many-answers" in text


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_every_attack_makes_completions(attack: Attack) -> None:
    probe = Probe(
        Task("c", "A) 1 B) 2", "12"), "12", ("7", "8"), (), "<think>{think}</think>{answer}"
    )
    if attack.name == "every-choice":
        probe = Probe(Task("c", "A) 1 B) 2", "B"), "B", ("A",), choices=("A", "B"))
    texts = list(attack.make(probe))
    assert texts
    assert all(isinstance(text, str) and len(text) <= 1_100_000 for text in texts)


def test_rollouts_of_texts_have_words_for_tokens() -> None:
    rollouts = rollouts_of(SUM, ["one two, three", "", "x" * 9, "y " * 50_000])
    assert rollouts.lengths.tolist() == [4, 0, 1, MOST_TOKENS]
    assert rollouts.mask.sum(1).tolist() == rollouts.lengths.tolist()
    assert set(rollouts.answers()) == {"85"}


def test_padding_that_changes_nothing_has_no_correlation() -> None:
    found = tried(contains, "padded-right", "padded-wrong")
    assert found.length == {"correlation": None, "gain": None}
    assert not found.findings


def test_examples_are_few_and_counts_are_all() -> None:
    found = tried(contains, "many-answers")
    assert found.count("false positive") == found.cases
    assert len(found.examples(2)) == 2
    assert not found.beyond(["many-answers"])
    assert found.as_data()["counts"] == {"false positive": found.cases}


limited = pytest.mark.skipif(not memory_can_be_limited(), reason="Linux only")


@limited
@pytest.mark.parametrize("greedy", [hoards, asks_for_a_huge_tensor])
def test_a_reward_that_takes_all_memory_is_a_finding_and_the_rest_is_judged(greedy: Reward) -> None:
    attacks = [BY_NAME["master-key"], BY_NAME["rewritten"]]
    found = audit(greedy, [SUM], "r", attacks=attacks, seconds=60.0, megabytes=512)
    crashes = [finding for finding in found.findings if finding.kind == "crash"]
    assert [finding.completion for finding in crashes] == ["Respuesta"]
    assert "memory" in crashes[0].reason.lower()
    # What follows is judged by a new process, which holds nothing.
    assert {f.kind for f in found.findings if f.attack == "rewritten"} == {"false negative"}


@limited
def test_a_reward_that_needs_more_memory_from_the_start_is_told_the_mend() -> None:
    @reward
    def loads(completion: str, answer: str) -> float:
        return float(torch.zeros(SOME_GIB << 18)[0])

    with pytest.raises(AuditError, match="--memory"):
        audit(loads, [SUM], "r", seconds=60.0, megabytes=256)


def sources(judge: Reward, *names: str, probe: Probe) -> dict[str, set[str]]:
    """Attack to the parts that its findings came from."""
    found: dict[str, set[str]] = {}
    for finding in tried(judge, *names, probe=probe).findings:
        found.setdefault(finding.attack, set()).add(finding.part)
    return found


def test_a_finding_names_the_part_that_paid() -> None:
    strict, leaky = exact, contains
    asked = ("many-answers", "wrong")
    total = WeightedSum({"strict": strict, "leaky": leaky}, {"strict": 0.2})
    assert sources(total, *asked, probe=SUM) == {"many-answers": {"leaky"}}
    assert sources(Maximum({"strict": strict, "leaky": leaky}), *asked, probe=SUM) == {
        "many-answers": {"leaky"}
    }
    assert sources(OnlyIfWrong(strict, leaky), *asked, probe=SUM) == {"many-answers": {"then"}}
    # One part alone needs no name.
    assert sources(leaky, *asked, probe=SUM) == {"many-answers": {""}}


def test_a_false_negative_names_the_part_that_fell_short() -> None:
    total = WeightedSum({"leaky": contains, "strict": exact}, {"leaky": 0.2})
    assert sources(total, "rewritten", probe=SUM) == {"rewritten": {"strict"}}


def test_a_product_names_the_factor_and_a_gate_what_is_behind_it() -> None:
    probe = Probe(SUM.task, "85", ("75",), form="<think>{think}</think><answer>{answer}</answer>")
    product = Product({"format": FormatReward(), "leaky": contains})
    assert sources(product, "many-answers", probe=probe) == {"many-answers": {"leaky"}}
    gate = Gate(FormatReward(), contains, otherwise=-1.0)
    assert sources(gate, "many-answers", probe=probe) == {"many-answers": {"then"}}


def test_of_a_router_the_route_is_named() -> None:
    probe = Probe(Task("sum", "37+48?", "85", {"task_type": "loose"}), "85", ("75", "58"))
    router = Router({"loose": contains, "tight": contains})
    assert sources(router, "many-answers", probe=probe) == {"many-answers": {"loose"}}

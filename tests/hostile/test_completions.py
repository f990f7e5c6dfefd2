"""Hostile completions before every reward: none fails, hangs or pays what knows nothing."""

import random
import time

import pytest

from guerdon.examples import Example
from guerdon.records import Scores
from guerdon.rewards import NAMES, ListMatch, Ungradable, gather
from hostile import subjects
from hostile.completions import Completion, completion, mutated, says_answer
from hostile.judge import judge

COUNT = 2_000
FEWER = {"code": 100, "sql-reward": 600, "gate": 500, "product": 500, "weighted-sum": 500}
"""Each completion costs a process, or the same comparison as in the reward they are made of."""

SUBJECTS = subjects.light()


def test_every_named_reward_is_fed():
    assert not subjects.missing()
    assert set(NAMES) > {"list-match", "quantity-match"}


@pytest.mark.parametrize("name", SUBJECTS)
def test_nothing_fails_hangs_or_is_paid(name):
    subject, findings, count = SUBJECTS[name], [], 0
    wanted, source = FEWER.get(name, COUNT), random.Random(name)
    while count < wanted:
        for probe in subject.probes:
            given = [completion(probe, source, large=0.001) for _ in range(100)]
            findings += judge(name, subject, probe, given)
            count += len(given)
    assert not [(f.kind, f.task, ascii(f.text[:200]), f.detail) for f in findings]


def test_the_generator_repeats_itself():
    probe = ListMatch.example().probes[0]
    one, two = ([completion(probe, random.Random(3)) for _ in range(50)] for _ in range(2))
    assert one == two
    assert len({c.text for c in one}) == 1  # a new source each: the same first completion
    source = random.Random(3)
    assert len({completion(probe, source).text for _ in range(200)}) > 150


def found_by(reward, text, knows=False):
    """The kinds of findings about a made-up reward: that the judge sees each."""
    subject = Example(reward, ListMatch.example().probes[:1])
    return [f.kind for f in judge("made-up", subject, subject.probes[0], [Completion(text, knows)])]


def test_the_judge_sees_what_it_looks_for():
    def raises(rollouts, progress):
        raise KeyError("x")

    def slow(rollouts, progress):
        begun = time.process_time()
        while "wait" in rollouts.texts[0] and time.process_time() < begun + 2.1:
            pass
        return ListMatch()(rollouts, progress)

    def generous(rollouts, progress):
        return Scores(ListMatch()(rollouts, progress).value.fill_(1.0))

    def refuses(rollouts, progress):
        return gather([Ungradable("odd") for _ in rollouts.texts])

    assert found_by(raises, "7") == ["raised"]
    assert found_by(slow, "wait") == ["slow"]
    assert found_by(generous, "7") == ["paid"]
    assert found_by(generous, "7", knows=True) == []
    assert found_by(generous, "it is 2 3 5") == []
    assert found_by(refuses, "7") == ["ungraded"]
    assert found_by(ListMatch(), "7") == []


def test_saying_the_answer_is_seen_through_separators():
    probe = ListMatch.example().probes[0]
    assert says_answer(probe, "x[2]\n3;5")
    assert not says_answer(probe, "2, 3")
    assert mutated("abc", random.Random(0)) != "abc"

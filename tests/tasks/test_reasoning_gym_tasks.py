"""reasoning-gym's data sets as tasks: the real package."""

from __future__ import annotations

import sys

import pytest

from guerdon.parts import build, describe
from guerdon.tasks import ReasoningGym

pytest.importorskip("reasoning_gym")


@pytest.mark.parametrize("dataset", ["chain_sum", "leg_counting", "spell_backward"])
def test_a_data_set_becomes_tasks(dataset: str) -> None:
    source = ReasoningGym(dataset, train=30, test=10)
    train, test = source.load("train"), source.load("test")
    assert len(train) == 30
    assert 0 < len(test) <= 10
    assert not {t.prompt for t in train} & {t.prompt for t in test}
    assert len({t.id for t in [*train, *test]}) == len(train) + len(test)
    assert [(t.id, t.prompt, t.answer) for t in source.load("train")] == [
        (t.id, t.prompt, t.answer) for t in train
    ]
    column = train[0].columns["reasoning_gym"]
    assert (column["dataset"], column["entry"]["answer"]) == (dataset, train[0].answer)


def test_settings_reach_the_generator_and_serialise() -> None:
    source = ReasoningGym("chain_sum", train=5, settings={"min_terms": 4, "max_terms": 4})
    for task in source.load("train"):
        assert sum(task.text.count(sign) for sign in (" + ", " - ")) == 3
    assert build(describe(source)) == source


def test_a_small_world_shrinks_the_test_part_only() -> None:
    settings = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    source = ReasoningGym("chain_sum", train=400, test=50, settings=settings)
    assert len(source.load("train")) == 400
    assert len(source.load("test")) < 50


def test_errors_name_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no data set 'chainsum'.*chain_sum"):
        ReasoningGym("chainsum").load("train")
    with pytest.raises(ValueError, match=r"refuses the settings \{'terms': 3\}"):
        ReasoningGym("chain_sum", settings={"terms": 3}).load("train")
    with pytest.raises(ValueError, match="no split 'dev'"):
        ReasoningGym("chain_sum").load("dev")
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ImportError, match=r"pip install 'reasoning-gym>="):
        ReasoningGym("chain_sum").load("train")

"""The committed audit and gallery, and that what they say still holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guerdon.audit import audit
from guerdon.audit.explained import EXPLAINED
from guerdon.audit.gallery import has_section, section
from guerdon.audit.results import kept, render, unexplained
from guerdon.audit.shipped import left_out, subjects
from guerdon.rewards import NAMES

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = json.loads((DOCS / "audit.json").read_text())
QUICK = (
    "choice-credit",
    "choice-match",
    "date-match",
    "format",
    "tools",
    "web-action",
    "list-match",
    "product",
    "router",
    "answer-likelihood",
)


def test_every_named_reward_is_audited_or_left_out_with_a_reason() -> None:
    assert set(RESULTS["after"]) == ({*NAMES} | {"entropy"}) - {*left_out()}
    assert all(reason.startswith("it") for reason in left_out().values())


def test_what_was_found_in_our_rewards_is_mended_or_explained() -> None:
    left = {
        name: more for name, found in RESULTS["after"].items() if (more := unexplained(name, found))
    }
    assert not left


def test_no_explanation_is_of_something_that_is_gone() -> None:
    found = {
        (name, finding["attack"])
        for name, kept_of in RESULTS["after"].items()
        for finding in kept_of["findings"]
    }
    own = {(n, attack) for n, subject in subjects().items() for attack in subject.stays}
    assert set(EXPLAINED) | own <= found


def test_the_page_is_made_from_the_file() -> None:
    assert (DOCS / "audit.md").read_text() == render(RESULTS)


@pytest.mark.parametrize("name", QUICK)
def test_an_audit_today_finds_nothing_new(name: str) -> None:
    subject = subjects()[name]
    found = kept(audit(subject.reward, subject.probes, name, judges=subject.judges, seconds=30))
    assert not unexplained(name, found)
    assert found["counts"] == RESULTS["after"][name]["counts"]


@pytest.mark.parametrize("name", [n for n, one in subjects().items() if has_section(n, one)])
def test_the_gallery_is_current(name: str) -> None:
    page = (DOCS / "rewards.md").read_text()
    assert section(name, subjects()[name]) in page


def test_the_gallery_has_every_reward() -> None:
    page = (DOCS / "rewards.md").read_text()
    for name in NAMES:
        assert f"## {name}\n" in page or f"| `{name}` |" in page


def test_of_wrong_answers_only_the_program_that_knows_its_tests_passes() -> None:
    found = RESULTS["after"]["code"]
    assert found["attacks"]["wrong"]["found"] == {"false positive": 1}
    (finding,) = [one for one in found["findings"] if one["attack"] == "wrong"]
    assert "(2, 3): 5" in finding["completion"]
    assert not RESULTS["after"]["sql"]["attacks"]["wrong"]["found"]

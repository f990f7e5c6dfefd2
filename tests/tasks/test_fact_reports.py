"""Reports whose quality is known by construction."""

import random

from guerdon.tasks import VALUES, corrupted_report, fact_report, facts_right, stated_facts

FACTS = {relation: values[0] for relation, values in VALUES.items()}


def test_a_report_states_every_fact() -> None:
    told = fact_report("Anna", FACTS, random.Random(0))
    assert all(stated_facts(told, r) == ({"Anna"}, {FACTS[r]}) for r in VALUES)


def test_corruption_counts_what_it_breaks() -> None:
    source, seen = random.Random(0), set()
    for _ in range(60):
        wrong, broken, text = corrupted_report("Anna", FACTS, source)
        seen.add((wrong, broken))
        if broken == 0:
            true = sum(FACTS[r] in stated_facts(text, r)[1] for r in VALUES)
            assert true == len(VALUES) - wrong
    assert len(seen) > 8


def test_facts_are_right_only_alone() -> None:
    assert facts_right("Anna lives in Oslo.", "Oslo", "city", "Anna") == 1
    assert facts_right("Anna lives in Oslo or Rome.", "Oslo", "city", "Anna") == 0
    assert facts_right("Ben lives in Oslo.", "Oslo", "city", "Anna") == 0

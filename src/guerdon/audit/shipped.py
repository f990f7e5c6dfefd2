"""The rewards of this library with the tasks they are audited on: the examples that they bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from guerdon.composition import parts_in
from guerdon.examples import Example
from guerdon.extras import missing
from guerdon.rewards import NAMES, Certainty, WeightedSum, entropy
from guerdon.rewards.programs.sandbox import Limits, isolation_in_force


@cache
def left_out() -> Mapping[str, str]:
    """Rewards that are not audited, and why."""
    reasons = {name: getattr(kind, "no_example", None) for name, kind in NAMES.items()}
    return MappingProxyType({name: why for name, why in reasons.items() if why is not None})


def subjects() -> dict[str, Example]:
    """Every reward on the command line's list that reads text, with its example.

    Those whose extra is missing, and those that run programs where the system can't confine
    them, are left away.
    """
    found = {
        name: kind.example()
        for name, kind in NAMES.items()
        if name not in left_out() and not missing(getattr(kind, "extra", None))
    }
    found["entropy"] = _uncertainty()
    if not isolation_in_force()["kernel"]:
        found = {name: one for name, one in found.items() if not _holds(one, Limits)}
    return dict(sorted(found.items()))


def reads_a_model(example: Example) -> bool:
    """Whether a language model judges: such an audit is about the rule, and a small model."""
    return any(hasattr(part, "model") for _, part in parts_in(example.reward))


def _holds(example: Example, kind: type) -> bool:
    return any(isinstance(part, kind) for _, part in parts_in(example.reward))


def _uncertainty() -> Example:
    """Entropy is Certainty's other statistic, and counts with -1."""
    certain = Certainty.example()
    assert isinstance(certain.reward, Certainty)
    uncertain = {"entropy": replace(certain.reward, statistic=entropy)}
    return replace(certain, reward=WeightedSum(uncertain, {"entropy": -1.0}))

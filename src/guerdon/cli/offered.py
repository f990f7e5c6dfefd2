"""Which parts each place of a recipe can be filled with by name.

Only names are read here: a part is imported when it is asked for.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from guerdon import (
    advantages,
    curriculum,
    monitors,
    objectives,
    reward_models,
    rewards,
    rollout,
    selection,
    shaping,
)
from guerdon import tasks as task_sources
from guerdon.exports import Index

Choices = Mapping[str, Mapping[str, Any]]
"""Option (a path in the recipe) to name to part: a class, or a function that is the part."""

_REFERENCES = Index(
    "guerdon.training.reference",
    {
        "none": "NoReference",
        "fixed": "FixedReference",
        "moving": "MovingReference",
        "refreshed": "RefreshedReference",
        "adapter-off": "AdapterOffReference",
    },
)
_OPTIMISERS = Index("guerdon.training.optimisers", {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"})

POLICY_CHOICES: Choices = MappingProxyType(
    {
        "tasks": task_sources.NAMES,
        # Nobody writes to it, which a ChainMap is typed for.
        "reward": ChainMap(reward_models.NAMES, rewards.NAMES.alone()),  # type: ignore[arg-type]
        "shaping": shaping.NAMES.alone(),
        "advantage": advantages.NAMES.alone(),
        "advantage.scale": advantages.SCALES,
        "objective": objectives.NAMES,
        "objective.aggregation": objectives.AGGREGATIONS,
        "objective.kl.estimator": objectives.ESTIMATORS,
        "curriculum": curriculum.NAMES,
        "filter": curriculum.FILTERS,
        "selection": selection.NAMES,
        "monitors": monitors.NAMES,
        "buffer": curriculum.BUFFERS,
        "reference": _REFERENCES,
        "optimiser": _OPTIMISERS,
        "model": rollout.POLICIES,
        "model.engine": rollout.NAMES,
        "sampler": rollout.SAMPLERS,
    }
)
PREFERENCE_CHOICES: Choices = MappingProxyType(
    {
        "objective": objectives.PREFERENCES,
        "reference": _REFERENCES,
        "optimiser": _OPTIMISERS,
    }
)
RANKING_CHOICES: Choices = MappingProxyType(
    {"objective": objectives.RANKINGS, "optimiser": _OPTIMISERS}
)


def choices_of(recipe: Any) -> Choices:
    """What can be put into a recipe by name: what a policy's recipe can be given in the fields that
    it has, and its class's own ``choices`` in their place.
    """
    own: Choices = getattr(recipe, "choices", {})
    names = {field.name for field in fields(recipe)} - {one.partition(".")[0] for one in own}
    theirs = {o: table for o, table in POLICY_CHOICES.items() if o.partition(".")[0] in names}
    return {**own, **theirs}

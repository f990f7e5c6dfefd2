"""Who samples: the trained model itself, or another engine in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from guerdon.rollout.language import LanguagePolicy
from guerdon.stages import Policy


@runtime_checkable
class Engine(Protocol):
    """The setting of an engine.

    ``start`` makes the policy that samples with it: ``name`` is the model's name, ``load``
    loads it here (an engine that only asks a server leaves it alone).
    """

    def start(self, name: str, load: Callable[[], LanguagePolicy]) -> Policy: ...


@dataclass(frozen=True)
class Transformers:
    """The trained model samples for itself, in process."""

    def start(self, name: str, load: Callable[[], LanguagePolicy]) -> Policy:
        """The model as it is loaded."""
        return load()

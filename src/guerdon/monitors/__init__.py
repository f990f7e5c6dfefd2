"""Figures of what each step collected: watched, logged and drawn, never paid."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.monitors.answers import CommonestAnswer as CommonestAnswer
    from guerdon.monitors.groups import GroupSpread as GroupSpread
    from guerdon.monitors.steps import WrittenSteps as WrittenSteps

NAMES = Index(__name__)

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)

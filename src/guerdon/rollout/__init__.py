"""How completions are made: policies over language models and small tables, and engines."""

from guerdon.rollout.environments import Environment, Grid, Step, ToyText, make_environment
from guerdon.rollout.episodes import play
from guerdon.rollout.language import LanguagePolicy
from guerdon.rollout.tabular import TabularPolicy

NAMES = {"transformers": LanguagePolicy, "tabular": TabularPolicy}

__all__ = [
    "NAMES",
    "Environment",
    "Grid",
    "LanguagePolicy",
    "Step",
    "TabularPolicy",
    "ToyText",
    "make_environment",
    "play",
]

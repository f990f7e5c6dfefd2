"""How completions are made: policies over language models and small tables, and engines."""

from guerdon.rollout.language import LanguagePolicy

NAMES = {"transformers": LanguagePolicy}

__all__ = ["NAMES", "LanguagePolicy"]

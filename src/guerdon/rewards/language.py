"""Whether a completion keeps to a writing system."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch

from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.rows import single

SCRIPTS: dict[str, str] = {
    "latin": "a-zA-Z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": "\u0400-\u052f",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff",
    "devanagari": "\u0900-\u097f",
    "thai": "\u0e00-\u0e7f",
    "hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3",
    "kana": "\u3040-\u30ff",
    "han": "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002fa1f",
}
"""Writing systems by ranges of code points, as a character class of a pattern."""

_NO_LETTERS = re.compile(r"[\W\d_]+")
_FORMULA = re.compile(r"\\[a-zA-Z]+|\$[^$\n]{0,400}\$|<[^<>\n]{0,40}>")


@lru_cache(maxsize=32)
def _pattern(scripts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("[" + "".join(SCRIPTS[name] for name in scripts) + "]+")


@dataclass(frozen=True)
class ScriptShare:
    """The share of a completion's letters that belong to the given writing systems.

    LaTeX commands, formulas between dollar signs and tags do not count. A text without letters
    is 1: nothing in it is of another script. This tells Chinese or Russian from English, not
    French from English. After the language-consistency reward of DeepSeek-R1 (arXiv
    2501.12948), by letters where that counts words. Value and part "script": float[N] in
    [0, 1]. Raises ValueError for a script that `SCRIPTS` lacks.
    """

    scripts: tuple[str, ...] = ("latin",)
    longest: int = 200_000

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        unknown = [name for name in self.scripts if name not in SCRIPTS]
        if unknown or not self.scripts:
            raise ValueError(
                f"ScriptShare knows the scripts {', '.join(SCRIPTS)}, not {unknown or 'none'}"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return single("script", torch.tensor([self.share(t) for t in rollouts.texts]))

    def share(self, text: str) -> float:
        """The share of one text."""
        prose = _FORMULA.sub(" ", text[: self.longest])
        letters = _NO_LETTERS.sub("", prose)
        foreign = _pattern(self.scripts).sub("", letters)
        return 1 - len(foreign) / len(letters) if letters else 1.0

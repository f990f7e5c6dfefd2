"""Whether a completion keeps to a writing system, and to a language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch

from guerdon.examples import Example, Judges, style
from guerdon.extras import install
from guerdon.parsing import prose
from guerdon.ranges import PositiveInt, Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.running.rows import Judged, Ungradable, gather, single

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
_SENTENCE = re.compile(r"[^.!?…。！？।\n]+[.!?…。！？।\n]*")


@lru_cache(maxsize=32)
def _pattern(scripts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("[" + "".join(SCRIPTS[name] for name in scripts) + "]+")


@dataclass(frozen=True)
class ScriptShare:
    """The share of a completion's letters that belong to the given writing systems.

    Code, formulas and tags do not count (`guerdon.parsing.prose`). A text without letters is 1:
    nothing in it is of another script. This tells Chinese or Russian from English, not French
    from English: `LanguageShare` does, with an extra. After the language-consistency reward of
    DeepSeek-R1 (arXiv 2501.12948), by letters where that counts words. Value and part "script":
    float[N] in [0, 1]. Raises ValueError for a script that `SCRIPTS` lacks.
    """

    name: ClassVar[str] = "script-share"

    scripts: tuple[str, ...] = ("latin",)
    """The writing systems that are right."""
    longest: PositiveInt = 200_000
    """How many characters are read."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        unknown = [name for name in self.scripts if name not in SCRIPTS]
        if unknown or not self.scripts:
            raise ValueError(
                f"ScriptShare knows the scripts {', '.join(SCRIPTS)}, not {unknown or 'none'}"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return single("script", torch.tensor([self.share(t) for t in rollouts.texts]))

    def share(self, text: str) -> float:
        """The share of one text."""
        letters = _NO_LETTERS.sub("", prose(text[: self.longest]))
        foreign = _pattern(self.scripts).sub("", letters)
        return 1 - len(foreign) / len(letters) if letters else 1.0

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), style("Seven it is.", "Это семь."), Judges.STYLE)


LANGUAGES = (
    *("en", "zh", "es", "fr", "de", "pt", "it", "nl", "sv", "da", "fi", "pl", "cs", "hu", "ro"),
    *("el", "tr", "ru", "uk", "bg", "ar", "he", "hi", "th", "vi", "id", "ja", "ko"),
)
"""Languages that are told apart unless others are asked for (ISO 639-1)."""

_DENSE = ("han", "kana", "hangul")
_DENSE_WORTH = 4
"""How many letters of an alphabet a sign of these scripts says as much as, roughly."""


@dataclass(frozen=True)
class LanguageShare:
    """The share of a completion that is written in the right language, sentence by sentence.

    ``1 -`` the value is the mixed share: letters in sentences of another language. The right
    language is ``language`` (ISO 639-1), or what the task's column ``column`` says, if one is
    named. It is told from those of ``among`` by py3langid, whose model comes with it: the same
    text gives the same answer anywhere. The fewer languages, the surer.

    Code, formulas and tags are left out (`guerdon.parsing.prose`). Sentences are joined until
    they have ``least`` letters (a sign of Chinese, Japanese or Korean counts as four), since
    shorter ones can't be told; a completion below that is 1, as one without letters. A sentence
    is wrong if another language is likelier and the right one is below ``doubt``. With py3langid
    0.4 on Django's texts in these 28 languages, 0.7 % of the right ones of 20 to 39 letters were
    called wrong and 0.2 % of the wrong ones passed; of longer ones 0.4 % and 0.06 %. A foreign
    word in a sentence is not seen; `ScriptShare` sees those of another script.

    Value and part "language": float[N] in [0, 1]. A task whose column is missing or names none
    of ``among`` makes its rows invalid. Needs the extra ``language``. Raises ValueError for
    codes that the library does not know. After DeepSeek-R1's language consistency (arXiv
    2501.12948).
    """

    name: ClassVar[str] = "language-share"
    extra: ClassVar[str] = "language"

    language: str = "en"
    """The right language (ISO 639-1)."""
    column: str = ""
    """The column that names it, if there is one."""
    among: tuple[str, ...] = LANGUAGES
    """The languages that are told apart."""
    least: PositiveInt = 20
    """The fewest letters that a language is told by."""
    doubt: Share = 0.2
    """The probability below which the right language is ruled out."""
    longest: PositiveInt = 200_000
    """How many characters are read."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.language not in self.among or len(set(self.among)) < 2:
            raise ValueError(
                f"LanguageShare: among must name the language {self.language!r} and at least one "
                f"other, not only {', '.join(self.among) or 'none'}"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rows: list[Judged | Ungradable] = []
        asked = (
            rollouts.column(self.column) if self.column else [self.language] * len(rollouts.texts)
        )
        for text, language in zip(rollouts.texts, asked, strict=True):
            if language not in self.among:
                told = f"{self.column} = {language!r:.40} is none of the languages told apart"
                rows.append(Ungradable(f"{told} ({', '.join(self.among)})"))
                continue
            share = self.share(text, language)
            rows.append(Judged(share, {"language": share}))
        return gather(rows)

    def share(self, text: str, language: str) -> float:
        """The share of one text; 1 where nothing can be told."""
        right = total = 0
        for sentence, weight in self.sentences(text):
            total += weight
            likely = _identifier(self.among).rank(sentence)
            if likely[0][0] == language or dict(likely)[language] >= self.doubt:
                right += weight
        return right / total if total else 1.0

    def sentences(self, text: str) -> Iterator[tuple[str, int]]:
        """Sentences of at least ``least`` letters, joined from shorter ones, and their letters."""
        held, weight, last = "", 0, ("", 0)
        for piece in _SENTENCE.findall(prose(text[: self.longest])):
            held, weight = held + piece, weight + _letters(piece)
            if weight >= self.least:
                if last[1]:
                    yield last
                last, held, weight = (held, weight), "", 0
        if last[1]:
            yield last[0] + held, last[1] + weight

    @classmethod
    def example(cls) -> Example:
        return Example(
            cls(),
            style("Seven it is, as the sum shows.", "Sieben ist es, wie die Summe zeigt."),
            Judges.STYLE,
        )


def _letters(text: str) -> int:
    letters = _NO_LETTERS.sub("", text)
    dense = len(letters) - len(_pattern(_DENSE).sub("", letters))
    return len(letters) + (_DENSE_WORTH - 1) * dense


@lru_cache(maxsize=8)
def _identifier(among: tuple[str, ...]) -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise ImportError(
            f"telling languages apart needs py3langid: {install('language')}; "
            "ScriptShare tells writing systems apart without it"
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    unknown = sorted({*among} - {*identifier.labels})
    if unknown:
        raise ValueError(
            f"LanguageShare: py3langid does not know {', '.join(unknown)}; it knows "
            f"{', '.join(sorted(identifier.labels))}"
        )
    identifier.set_languages(among)
    return identifier

"""The rewards of this library with the tasks they are audited on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from guerdon import rewards
from guerdon.audit import probes
from guerdon.audit.cases import Judges, Probe, Subject
from guerdon.audit.composed import COMPOSED
from guerdon.audit.modelled import MODELLED
from guerdon.audit.probes import ANSWER, BOXED
from guerdon.rewards.programs.sandbox import Limits, isolation_in_force
from guerdon.stages import Reward

LEFT_OUT = {
    "environment-return": "it reads the environment's rewards, not the completion",
    "reasoning-gym": "its scorers are reasoning-gym's; give --tasks to try one data set",
    "policy-entropy": "it reads the policy's distributions over the sampled tokens, not the text; "
    "`entropy` reads a frozen model's",
    "span": "it places what your own function says of every span",
    "cached": "it passes on what another reward says",
}
"""Rewards that are not audited, and why."""


def subjects() -> dict[str, Subject]:
    """Every reward on the command line's list that reads text, those of the extras that are here,
    compositions, and rewards that need a model with the seedling as that model.
    """
    found: dict[str, Subject] = {}
    for name, make in (*_ANSWERS.items(), *_WORDS.items(), *_ACTIONS.items(), *_FORMS.items()):
        found[name] = make()
    found |= {name: make() for name, make in {**COMPOSED, **MODELLED}.items()}
    if importlib.util.find_spec("pint"):
        found["quantity-match"] = Subject(rewards.QuantityMatch(), probes.quantities())
    if importlib.util.find_spec("rapidfuzz"):
        found["edit"] = Subject(rewards.EditSimilarity(), probes.sentences())
    if importlib.util.find_spec("py3langid"):
        found["language-share"] = Subject(
            rewards.LanguageShare(),
            probes.style("Seven it is, as the sum shows.", "Sieben ist es, wie die Summe zeigt."),
            Judges.STYLE,
        )
    if not importlib.util.find_spec("sqlglot"):
        del found["sql-reward"]
    if importlib.util.find_spec("nltk"):
        found["meteor"] = Subject(rewards.Meteor(), probes.sentences())
    if not isolation_in_force()["kernel"]:
        found.pop("code")
    return dict(sorted(found.items()))


def _simple(reward: Callable[[], Reward], made: Callable[[], tuple[Probe, ...]]) -> Any:
    return lambda: Subject(reward(), made())


def _of(judges: Judges, reward: Callable[[], Reward], made: Callable[[], Any]) -> Any:
    return lambda: Subject(reward(), made(), judges)


_ANSWERS: dict[str, Callable[[], Subject]] = {
    "answer-match": _simple(rewards.AnswerMatch, probes.numbers),
    "chart": _simple(rewards.ChartAnswer, probes.chart),
    "choice-credit": _simple(rewards.ChoiceCredit, lambda: probes.choices(ANSWER)),
    "choice-match": _simple(rewards.ChoiceMatch, lambda: probes.choices(BOXED)),
    "cosine-length": _simple(rewards.CosineLength, probes.numbers),
    "count": _simple(rewards.CountReward, probes.counts),
    "date-match": _simple(rewards.DateMatch, probes.dates),
    "dianjin": _simple(rewards.DianjinReward, lambda: probes.choices(BOXED)),
    "list-match": _simple(rewards.ListMatch, probes.lists),
    "relative-length": _of(Judges.STYLE, rewards.GroupRelativeLength, probes.short),
}
_WORDS: dict[str, Callable[[], Subject]] = {
    "bleu": _simple(rewards.ReferenceBLEU, probes.sentences),
    "bleu-rouge": _simple(rewards.HarmonicBleuRouge, probes.sentences),
    "chrf": _simple(rewards.ChrF, probes.sentences),
    "rouge-l": _simple(rewards.RougeL, probes.sentences),
    "text-match": _simple(rewards.TextMatch, lambda: probes.sentences(short=True)),
    "token-f1": _simple(rewards.TokenF1, lambda: probes.sentences(short=True)),
}
_ACTIONS: dict[str, Callable[[], Subject]] = {
    "box": _simple(rewards.BoxReward, lambda: probes.regions("box")),
    "code": _simple(lambda: rewards.CodeReward(limits=Limits(wall_seconds=4)), probes.programs),
    "interval": _simple(rewards.IntervalReward, lambda: probes.regions("interval")),
    "mobile-step": _simple(rewards.MobileStepReward, probes.mobile),
    "point": _simple(rewards.PointReward, lambda: probes.regions("point")),
    "sql": _simple(rewards.SqlExecution, probes.queries),
    "tools": _simple(rewards.ToolReward, probes.calls),
    "web-action": _simple(rewards.WebActionReward, probes.web),
}
_FORMS: dict[str, Callable[[], Subject]] = {
    "format": _of(Judges.FORM, rewards.FormatReward, probes.sections),
    "interval-format": _of(Judges.FORM, rewards.IntervalFormat, probes.template),
    "stage-share": _of(Judges.STYLE, rewards.StageShare, probes.stages),
    "tag-share": _of(Judges.FORM, rewards.TagShare, probes.sections),
    "length": _of(
        Judges.STYLE, rewards.LengthReward, lambda: probes.style("a word or two", "word " * 900)
    ),
    "overlong": _of(
        Judges.STYLE,
        lambda: rewards.OverlongReward(limit=1024, buffer=256),
        lambda: probes.style("a word or two", "word " * 900),
    ),
    "repetition": _of(
        Judges.STYLE,
        rewards.RepetitionPenalty,
        lambda: probes.style("no word comes twice here", "the same words " * 40),
    ),
    "script-share": _of(
        Judges.STYLE, rewards.ScriptShare, lambda: probes.style("Seven it is.", "Это семь.")
    ),
}

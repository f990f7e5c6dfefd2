"""Rewards that need a model, audited in small with the seedling as the frozen model.

What is found is about the reward's rule, and about a model of this size: a larger one has other
false positives. Where an answer's likelihood is judged, what is attacked is the thought before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from guerdon import rewards
from guerdon.audit import probes
from guerdon.audit.cases import Judges, Probe, Subject

_WORKED = "<think>carry: 7+8=15 3+4+1=8</think><answer>85</answer>"
_NOISE = "zq xv!! 9k j# ~~ wq"


def _model() -> rewards.FrozenModel:
    return rewards.FrozenModel("seedling", longest=512)


def _thoughts() -> tuple[Probe, ...]:
    """A sum worked rightly, with carrying, and wrongly: the thought is what is attacked."""
    wrong = ("carry: 7+8=15 3+4=7", "quick: 7+8=15 3+4=7", "carry: 8+9=17 4+5+1=10", "I work it.")
    return (
        probes.probe(
            *("sum", "Compute 37+48.\n", "carry: 7+8=15 3+4+1=8", wrong),
            ("quick: 7+8=15 3+4+1=8",),
            form="<think>{answer}</think><answer>",
            answer="85",
            options=["85", "75", "86", "95"],
        ),
    )


def _likelihood() -> Subject:
    return Subject(rewards.AnswerLikelihood(_model()), _thoughts())


def _option() -> Subject:
    return Subject(rewards.OptionProbability(_model()), _thoughts())


def _sure() -> tuple[Probe, ...]:
    return (
        probes.probe(
            *("sum", "Compute 37+48.\n", _WORKED, (_NOISE,)), form="{answer}", answer="85"
        ),
    )


def _self_certainty() -> Subject:
    return Subject(rewards.Certainty(_model()), _sure(), Judges.STYLE)


def _entropy() -> Subject:
    uncertain = {"entropy": rewards.Certainty(_model(), rewards.entropy)}
    return Subject(rewards.WeightedSum(uncertain, {"entropy": -1.0}), _sure(), Judges.STYLE)


def _embedding() -> Subject:
    encode = rewards.MeanPooled("seedling")
    return Subject(rewards.EmbeddingSimilarity(encode), probes.sentences()[:1])


def _tokens() -> Subject:
    embed = rewards.StaticEmbeddings("seedling")
    return Subject(rewards.TokenSimilarity(embed), probes.sentences()[:1])


MODELLED: Mapping[str, Callable[[], Subject]] = {
    "answer-likelihood": _likelihood,
    "option-probability": _option,
    "self-certainty": _self_certainty,
    "entropy": _entropy,
    "embedding-similarity": _embedding,
    "token-similarity": _tokens,
}
"""Names of these rewards in the audit; `entropy` is weighted with -1, as uncertainty is."""

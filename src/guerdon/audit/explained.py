"""Findings in our own rewards that stay, and why."""

from __future__ import annotations

from collections.abc import Mapping

_FIRST = (
    "the first `<answer>` section is the answer (the system's rule); what follows earns nothing. "
    "Pair it with `format`, which asks for one section"
)
_LAST = (
    "the number that the section settles on is the answer, though a mark beside it means another"
)
_LAST_PLACE = "the last pair of the section is the answer; those before it earn nothing"
_OVERLAP = (
    "overlap with a reference rises with every word of it, whatever stands beside them: the "
    "metric's own rule. Use it where answers are long, never where one word decides"
)
_AS_TEXT = (
    "an answer that is no number is compared as text, also with a number (Mixed-R1's rule): "
    "1e400 shares most of its signs with 2400"
)
_LETTERS = "a letter named thirty times is one letter chosen"
_SECTIONS = "the weak form pays for each tag that stands there once, whatever the order: its rule"
_CODE = "a later definition replaces an earlier one: the program is right"
_BY_HEART = (
    "what is executed is judged by its results: a program that knows the tests passes. Keep tests "
    "out of the prompt, and have many"
)
_CREDIT = (
    "ToolRL's partial credit takes little off for a call too many or made twice; "
    "`all_or_nothing` as credit does not"
)
_F1 = "F1 pays for the right items among wrong ones; `same_set` does not"
_ENDS = (
    "a model goes on from what stands last: a wrong thought followed by the right one is as good "
    "as the right one alone"
)
_CONTEXT = "the thought is read up to the first `<answer>`: what follows is not seen"
_UNREAD = (
    "the seedling has never read such filler, and loses the thread of the sum: a larger model "
    "would not"
)
_PRIOR = (
    "after a thought that says nothing to it the model still chooses among the options, and a "
    "lucky guess is paid. Have many options, or ask for the likelihood of the whole answer"
)
_COARSE = (
    "hidden states of a model of 2.5 million parameters tell few sentences apart: the share of an "
    "unrelated one comes near to 1/2. Use an encoder made for similarity"
)
_RELAXED = (
    "a number within 5 % of the reference is right (ChartQA's relaxed accuracy), and a text "
    "earns the share of its letters (Mixed-R1's rule)"
)
_LETTER_BY_LETTER = "the released rule reads every capital in the box: the A of Answer is one"
_BLIND = "cosines of tokens are blind to repetition and order: pair it with a repetition penalty"

EXPLAINED: Mapping[tuple[str, str], str] = {
    **{
        (metric, "many-answers"): _OVERLAP
        for metric in ("bleu-rouge", "chrf", "meteor", "rouge-l", "token-f1")
    },
    **{(metric, "odd-tags"): _OVERLAP for metric in ("chrf", "meteor", "rouge-l", "token-f1")},
    ("rouge-l", "echo"): _OVERLAP,
    **{
        (name, "changing-answers"): _FIRST
        for name in ("box", "chart", "count", "interval", "point")
    },
    **{("count", attack): _LAST for attack in ("odd-tags", "number-tricks")},
    **{
        (name, attack): _LAST_PLACE
        for name in ("interval", "point")
        for attack in ("many-answers", "repeated-answer", "odd-tags")
    },
    ("point", "echo"): "the prompt of this task names a point inside the box, as prompts may",
    **{
        (name, "repeated-answer"): _LETTERS for name in ("choice-match", "choice-credit", "dianjin")
    },
    ("tag-share", "broken-tags"): _SECTIONS,
    ("interval-format", "broken-tags"): (
        "the published pattern lets anything stand between `<think>` and the last `</think>`"
    ),
    ("code", "many-answers"): _CODE,
    ("code", "repeated-answer"): _CODE,
    ("code", "wrong"): _BY_HEART,
    ("tools", "many-answers"): _CREDIT,
    ("tools", "repeated-answer"): _CREDIT,
    ("list-match", "many-answers"): _F1,
    ("chart", "near-miss"): _RELAXED,
    ("dianjin", "dressed"): _LETTER_BY_LETTER,
    **{(name, "near-miss"): _OVERLAP for name in ("maximum", "only-if-wrong", "token-f1")},
    ("chart", "not-a-number"): _AS_TEXT,
    ("chart", "number-tricks"): _AS_TEXT,
    ("router", "repeated-answer"): _LETTERS,
    **{
        (name, attack): _OVERLAP
        for name in ("only-if-wrong", "maximum", "token-similarity")
        for attack in ("many-answers", "odd-tags")
    },
    ("embedding-similarity", "many-answers"): _OVERLAP,
    ("embedding-similarity", "repeated-answer"): _OVERLAP,
    ("embedding-similarity", "opener"): _COARSE,
    ("embedding-similarity", "injection"): _COARSE,
    ("embedding-similarity", "file-tricks"): _COARSE,
    ("token-similarity", "repeated-answer"): _BLIND,
    **{
        (name, attack): reason
        for name in ("answer-likelihood", "option-probability")
        for attack, reason in (
            *(("many-answers", _ENDS), ("changing-answers", _CONTEXT)),
            ("padded-right", _UNREAD),
        )
    },
    **{
        ("option-probability", attack): _PRIOR
        for attack in (
            *("rewritten", "master-key", "opener", "echo", "injection", "escape"),
            *("not-a-number", "huge", "file-tricks"),
        )
    },
}
"""Reward and attack to why its findings stay."""

FIXED = (
    "`answer-match`, and what is made of it, paid the last number wherever it stood (`75 or 85`): "
    "the text must settle on one now, and state it outside of its thinking.",
    "`choice-credit` gave 0 to every answer with several letters in a row (`ACD`, as our own "
    "`multi-choice` tasks write them), to `\\text{B}` and to `The answer is B.`: letters that are "
    "capitals in their order, wrapped letters and the told letter are read now.",
    "`answer-match` and `cosine-length` gave 0 to `\\dfrac18` for 1/8: numbers read "
    "`\\frac` of single digits without braces.",
    "`bleu`, `bleu-rouge` and `rouge-l` read a completion to its end: a million characters took up "
    "to the limit of 10 s. They read 100,000 characters now.",
)
"""What the first audit found in our rewards and was our fault."""

"""Similarity to reference texts: by characters, words, and embeddings of tokens or texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from guerdon.examples import Example, sentences
from guerdon.extras import install
from guerdon.models.loaded import loaded
from guerdon.models.loading import load_encoder
from guerdon.parsing import answer_text
from guerdon.ranges import FloatType, PositiveInt, Range, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.running.rows import Judged, Ungradable, encodable, gather
from guerdon.rewards.text.references import AgainstReferences, Metric, references_of

LONGEST = 20_000
"""Characters that are compared; what follows is not read."""

_METEOR_WORDS = 400


def chrf(prediction: str, references: tuple[str, ...]) -> float:
    """Sentence chrF2 of sacrebleu, scaled to [0, 1]: F-beta over character 1- to 6-grams."""
    from sacrebleu import sentence_chrf

    cut = [reference[:LONGEST] for reference in references]
    return min(1.0, float(sentence_chrf(prediction[:LONGEST], cut).score) / 100)


def edit_similarity(prediction: str, references: tuple[str, ...]) -> float:
    """``1 - Levenshtein distance / longer length`` over characters; the best reference counts."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise ImportError(f"edit similarity needs rapidfuzz: {install('metrics')}") from error
    shown = prediction[:LONGEST]
    return max(float(Levenshtein.normalized_similarity(shown, one[:LONGEST])) for one in references)


class _NoSynonyms:
    """Stands for WordNet, whose data no package brings: METEOR's synonym stage finds nothing."""

    def synsets(self, word: str) -> list[Any]:
        return []


def meteor(prediction: str, references: tuple[str, ...]) -> float:
    """METEOR of nltk with the exact and stem stages, in [0, 1]; the best reference counts.

    The synonym stage needs WordNet's data and is left out, so values are at or below those of
    the full metric. The first 400 words are compared.
    """
    try:
        from nltk.translate.meteor_score import meteor_score
    except ImportError as error:
        raise ImportError(f"METEOR needs nltk: {install('metrics')}") from error
    words = [one[:LONGEST].split()[:_METEOR_WORDS] for one in (prediction, *references)]
    return float(meteor_score(words[1:], words[0], wordnet=_NoSynonyms()))


@dataclass(frozen=True)
class ChrF(AgainstReferences):
    """chrF of the answer against the task's references; see `chrf`, `ReferenceBLEU`.

    Value and part "chrf": float[N] in [0, 1].
    """

    name: ClassVar[str] = "chrf"

    metric: Metric = chrf

    part: ClassVar[str] = "chrf"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences())


@dataclass(frozen=True)
class EditSimilarity(AgainstReferences):
    """Edit similarity of the answer to the task's references; see `edit_similarity`.

    Value and part "edit": float[N] in [0, 1]. Needs the extra ``metrics``.
    """

    name: ClassVar[str] = "edit"
    extra: ClassVar[str] = "metrics"

    metric: Metric = edit_similarity

    part: ClassVar[str] = "edit"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences())


@dataclass(frozen=True)
class Meteor(AgainstReferences):
    """METEOR of the answer against the task's references; see `meteor` for what is left out.

    Value and part "meteor": float[N] in [0, 1]. Needs the extra ``metrics``.
    """

    name: ClassVar[str] = "meteor"
    extra: ClassVar[str] = "metrics"

    metric: Metric = meteor

    part: ClassVar[str] = "meteor"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences())


def max_average(one_MD: Tensor, two_ND: Tensor) -> tuple[float, float]:
    """Mean over rows of ``one`` of the best cosine in ``two``, and the other way round.

    In [-1, 1]; both 0 where either side has no row. Rows of zeros have cosine 0.
    """
    if not len(one_MD) or not len(two_ND):
        return 0.0, 0.0
    unit = torch.nn.functional.normalize
    cosine_MN = unit(one_MD.float(), dim=1) @ unit(two_ND.float(), dim=1).T
    return cosine_MN.amax(1).mean().item(), cosine_MN.amax(0).mean().item()


@dataclass(frozen=True)
class StaticEmbeddings:
    """Text to the input-embedding rows float[M, D] of its tokens; no forward pass.

    ``model`` is ``seedling``, a Hub id or a folder that transformers loads; its table is frozen.
    Special tokens and tokens without a letter or digit are left out; at most ``longest`` tokens.
    """

    model: str
    longest: PositiveInt = 1024

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, text: str) -> Tensor:
        tokenizer, table_VD = loaded(self, _table, self.model)
        plain = encodable(text[: 16 * self.longest])
        ids = tokenizer.encode(
            plain, add_special_tokens=False, truncation=True, max_length=self.longest
        )
        kept = [i for i in ids if any(map(str.isalnum, tokenizer.decode([i])))]
        return table_VD[kept]


def _table(model: str) -> tuple[Any, Tensor]:
    encoder, tokenizer = load_encoder(model, device="cpu")
    return tokenizer, encoder.get_input_embeddings().weight.detach().clone()


@dataclass(frozen=True)
class TokenSimilarity:
    """BMAS of Mixed-R1 (arXiv 2505.24164): max-average cosine of tokens, in both directions.

    ``(forward + backward) / 2``, clipped to [0, 1]: forward asks that every token of the answer
    resembles one of the reference (precision), backward that every token of the reference is
    covered (recall). Blind to order and to repetition: pair it with a repetition or length
    term. ``embed`` gives a text's token vectors float[M, D] (`StaticEmbeddings`, or a function);
    use a frozen table, or the policy moves its own yardstick. ``baseline`` is what unrelated
    texts score: ``(x - baseline) / (1 - baseline)``.

    Value float[N] in [0, 1]; parts "precision", "recall" and "clipped" (what the clip adds) sum
    to it. The best reference counts. No answer or no token: 0; no reference: invalid.
    """

    name: ClassVar[str] = "token-similarity"
    made_of: ClassVar[str] = "an encoder of tokens"

    embed: Callable[[str], Tensor]
    baseline: Annotated[float, Range(-1, 1, open_high=True)] = 0.0
    read: Callable[[str], str] = answer_text

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [[self.embed(one) for one in references_of(task)] for task in rollouts.tasks]
        rows: list[Judged | Ungradable] = []
        for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True):
            if not golds[group]:
                rows.append(Ungradable("the task has neither references nor an answer"))
                continue
            answer = self.embed(self.read(text))
            rows.append(max((self._judge(answer, g) for g in golds[group]), key=lambda j: j.value))
        return gather(rows)

    def _judge(self, answer_MD: Tensor, gold_ND: Tensor) -> Judged:
        if not len(answer_MD) or not len(gold_ND):
            return Judged(0.0, dict.fromkeys(("precision", "recall", "clipped"), 0.0))
        precision, recall = (
            (one - self.baseline) / (1 - self.baseline) / 2
            for one in max_average(answer_MD, gold_ND)
        )
        value = min(1.0, max(0.0, precision + recall))
        clipped = value - precision - recall
        return Judged(value, {"precision": precision, "recall": recall, "clipped": clipped})

    @classmethod
    def example(cls) -> Example:
        return Example(cls(StaticEmbeddings("seedling")), sentences()[:1])


@dataclass(frozen=True)
class MeanPooled:
    """Texts to float[N, D]: last hidden states of a transformers encoder, averaged over tokens.

    ``model``, ``dtype`` and ``device`` are those of a recipe's `Model`. Texts are cut to
    ``longest`` tokens and encoded ``batch`` at a time. This is what sentence-transformers models
    such as all-MiniLM-L6-v2 compute.
    """

    model: str
    longest: PositiveInt = 256
    batch: PositiveInt = 32
    dtype: FloatType = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        encoder, tokenizer = loaded(self, _encoder, self.model, self.dtype, self.device)
        vectors = []
        for start in range(0, len(texts), self.batch):
            cut = [
                encodable(text[: 16 * self.longest]) for text in texts[start : start + self.batch]
            ]
            inputs = tokenizer(
                cut, padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
            )
            with torch.inference_mode():
                hidden_NTD = encoder(**inputs.to(encoder.device)).last_hidden_state.float().cpu()
            inputs = inputs.to("cpu")
            weight_NT1 = inputs["attention_mask"][:, :, None].to(hidden_NTD.dtype)
            vectors.append((hidden_NTD * weight_NT1).sum(1) / weight_NT1.sum(1).clamp(min=1))
        return torch.cat(vectors)


def _encoder(model: str, dtype: str, device: str) -> tuple[Any, Any]:
    return load_encoder(model, dtype=dtype, device=device)


@dataclass(frozen=True)
class EmbeddingSimilarity:
    """Cosine of the answer's embedding and the nearest reference's, by any ``encode``.

    ``encode`` takes a list of texts and returns float[N, D] (`MeanPooled`, or a
    sentence-transformers model's ``encode`` that returns tensors). Every distinct text of a
    batch is encoded once. Value and part "similarity": float[N] in [-1, 1]. An empty answer is
    0; no reference: invalid.
    """

    name: ClassVar[str] = "embedding-similarity"
    made_of: ClassVar[str] = "an encoder of texts"

    encode: Callable[[list[str]], Tensor]
    read: Callable[[str], str] = answer_text

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [references_of(task) for task in rollouts.tasks]
        answers = [self.read(text)[:LONGEST] for text in rollouts.texts]
        texts = sorted({t for t in answers if t} | {t for gold in golds for t in gold})
        vectors = torch.as_tensor(self.encode(texts)).float() if texts else torch.zeros(0, 1)
        unit = dict(zip(texts, torch.nn.functional.normalize(vectors, dim=1), strict=True))
        rows: list[Judged | Ungradable] = []
        for answer, group in zip(answers, rollouts.group.tolist(), strict=True):
            if not golds[group]:
                rows.append(Ungradable("the task has neither references nor an answer"))
                continue
            found = [float(unit[answer] @ unit[g]) for g in golds[group]] if answer else [0.0]
            value = min(1.0, max([-1.0, *found]))
            rows.append(Judged(value, {"similarity": value}))
        return gather(rows)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(MeanPooled("seedling")), sentences()[:1])

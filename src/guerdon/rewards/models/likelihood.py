"""Rewards read off a frozen language model's own probabilities; nothing is trained."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import torch
from torch import Tensor

from guerdon.examples import Example, Judges, Probe, probe
from guerdon.models.loaded import loaded
from guerdon.models.loading import load_model
from guerdon.models.prompts import prompt_ids
from guerdon.parsing import sections
from guerdon.ranges import FloatType, PositiveInt, Range, Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.running.rows import Judged, Ungradable, accepted_answers, encodable, gather


class Predictor(Protocol):
    """A language model that says what comes next."""

    def prompt(self, task: Task) -> list[int]:
        """Token ids of a task's prompt; at least one."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        ...

    def log_probs(self, prompt: list[int], between: list[int], following: list[int]) -> Tensor:
        """float[T, V]: log-probabilities before each of the T following tokens, no gradient.

        They come after ``prompt`` and ``between``. Calls with one prompt come one after another,
        so that it need be read only once.
        """
        ...


@dataclass(frozen=True)
class FrozenModel:
    """A transformers language model by name, loaded at first use and shared (`LoadedModels`).

    ``model``, ``gguf_file``, ``dtype`` and ``device`` are those of a recipe's `Model`. Contexts
    are cut to their last ``longest`` tokens and texts to their first. One row is computed at a
    time: its [T, V] log-probabilities, in float32, are what memory is needed for. A prompt is
    read once for all rows that come with it one after another, unless it is cut or the model
    keeps less of it than all keys and values (sliding windows).
    """

    model: str
    longest: PositiveInt = 1024
    dtype: FloatType = "float32"
    gguf_file: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def _reader(self) -> _Reader:
        return loaded(self, _read, self.model, self.gguf_file, self.dtype, self.device)

    def prompt(self, task: Task) -> list[int]:
        return prompt_ids(task, self._reader.tokenizer)

    def encode(self, text: str) -> list[int]:
        tokenizer = self._reader.tokenizer
        # A token spans a few characters, so this first cut loses nothing.
        plain = encodable(text[: 32 * self.longest])
        return list(
            tokenizer.encode(
                plain, add_special_tokens=False, truncation=True, max_length=self.longest
            )
        )

    def log_probs(self, prompt: list[int], between: list[int], following: list[int]) -> Tensor:
        reader = self._reader
        if len(prompt) + len(between) > self.longest:
            return reader.log_probs([], (prompt + between)[-self.longest :], following)
        # The logits of the first token after the prompt are those of its last.
        return reader.log_probs(prompt[:-1], prompt[-1:] + between, following)


class _Reader:
    """A loaded model, which holds the keys and values of the prompt that it read last."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer, self.model = tokenizer, model
        self.lock = threading.Lock()
        self.holds = True
        self.prompt: list[int] = []
        self.cache: Any = None

    @torch.inference_mode()
    def log_probs(self, prompt: list[int], between: list[int], following: list[int]) -> Tensor:
        """As `Predictor.log_probs`, with at least one token between.

        The prompt is read by itself whether or not it is held already, so that a row's last
        digits do not depend on the rows before it.
        """
        with self.lock:
            cache = self._read(prompt) if prompt else None
            row = between + following if cache is not None else prompt + between + following
            logits_TV = self.model(
                input_ids=torch.tensor([row], device=self.model.device),
                past_key_values=cache,
                use_cache=cache is not None,
                logits_to_keep=len(following) + 1,
            ).logits[0, :-1]
        return torch.log_softmax(logits_TV.float(), dim=-1).cpu()

    def _read(self, prompt: list[int]) -> Any:
        """The prompt's keys and values alone; None for a model that doesn't keep them all."""
        from transformers.cache_utils import DynamicCache, DynamicLayer

        if self.holds and self.prompt != prompt:
            self.cache = DynamicCache(config=self.model.config)
            self.model.get_decoder()(
                input_ids=torch.tensor([prompt], device=self.model.device),
                past_key_values=self.cache,
                use_cache=True,
            )
            self.prompt = prompt
            self.holds = all(type(layer) is DynamicLayer for layer in self.cache.layers)
        if not self.holds:
            return None
        if written := self.cache.get_seq_length() - len(prompt):
            self.cache.crop(-written)
        return self.cache


def _read(model: str, gguf_file: str | None, dtype: str, device: str) -> _Reader:
    found, reader = load_model(model, gguf_file=gguf_file, dtype=dtype, device=device)
    return _Reader(getattr(reader, "tokenizer", reader), found.eval().requires_grad_(False))


def token_log_probs(
    model: Predictor, prompt: list[int], between: list[int], following: list[int]
) -> Tensor:
    """float[T]: log-probability of each following token, given all before it."""
    if not following:
        return torch.zeros(0)
    logp_TV = model.log_probs(prompt, between, following)
    return logp_TV.gather(1, torch.tensor(following)[:, None])[:, 0]


def geometric_mean(logp_T: Tensor) -> float:
    """``exp(mean log p)``: the inverse perplexity; 1 for no token.

    >>> geometric_mean(torch.tensor([0.25, 1.0]).log())
    0.5
    """
    return float(logp_T.mean().exp()) if len(logp_T) else 1.0


def arithmetic_mean(logp_T: Tensor) -> float:
    """``mean p``: one unlikely token costs only its share; 1 for no token."""
    return float(logp_T.exp().mean()) if len(logp_T) else 1.0


def joint(logp_T: Tensor) -> float:
    """``prod p``: the probability of the whole; 1 for no token."""
    return float(logp_T.sum().exp())


def whole(text: str) -> str:
    """The completion as it is."""
    return text


def up_to_answer(text: str) -> str:
    """The completion up to its first ``<answer>`` tag, that included; all of it without one."""
    before, tag, _ = text.partition("<answer>")
    return before + tag


@dataclass(frozen=True)
class AnswerLikelihood:
    """How likely a frozen model finds the reference answer after the completion's reasoning.

    The model reads the prompt and ``context(completion)``, and is asked for ``template`` with
    the reference answer in place of {answer}. ``mean`` turns log-probs float[T] into a number
    in [0, 1]: `geometric_mean` (the released GRPO-CARE, arXiv 2506.16141), `arithmetic_mean`
    (its paper) or `joint`. Values above ``cap`` count as ``cap``.

    Value and part "likelihood": float[N] in [0, cap]. Several references: the likeliest.
    No reference answer: invalid.
    """

    name: ClassVar[str] = "answer-likelihood"
    made_of: ClassVar[str] = "a frozen model"

    model: Predictor
    """The frozen model that is asked."""
    mean: Callable[[Tensor], float] = geometric_mean
    """How the log-probs of the answer's tokens become one number."""
    context: Callable[[str], str] = up_to_answer
    """What of the completion the model reads before the answer."""
    template: str = "{answer}"
    """What is asked for, with the answer in place of {answer}."""
    cap: Share = 1.0
    """The largest value."""

    scope: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def range(self) -> tuple[float, float]:
        return 0.0, self.cap

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rows: list[Judged | Ungradable] = []
        prompts = [self.model.prompt(task) for task in rollouts.tasks]
        answers = accepted_answers(rollouts)
        for text, gold, group in zip(rollouts.texts, answers, rollouts.group.tolist(), strict=True):
            if isinstance(gold, Ungradable):
                rows.append(gold)
                continue
            read = prompts[group], self.model.encode(self.context(text))
            asked = [self.model.encode(self.template.replace("{answer}", one)) for one in gold]
            best = max(self.mean(token_log_probs(self.model, *read, one)) for one in asked)
            value = min(best, self.cap)
            rows.append(Judged(value, {"likelihood": value}))
        return gather(rows)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(_seedling()), _thoughts())


@dataclass(frozen=True)
class OptionProbability:
    """The probability of the right option among the task's options, under a frozen model.

    ``p(right) = exp(l_right) / sum_k exp(l_k)`` with ``l_k`` the summed log-prob of option k
    after the prompt and ``context(completion)``. Options are ``options``, or the task column
    "options" where that is empty; the task's answer must be one of them.

    Value and part "option": float[N] in [0, 1]. A task whose answer is none of its options
    makes its rows invalid.
    """

    name: ClassVar[str] = "option-probability"
    made_of: ClassVar[str] = "a frozen model"

    model: Predictor
    options: tuple[str, ...] = ()
    context: Callable[[str], str] = up_to_answer

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        prompts = [self.model.prompt(task) for task in rollouts.tasks]
        rows: list[Judged | Ungradable] = []
        for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True):
            task = rollouts.tasks[group]
            options = self.options or tuple(map(str, task.columns.get("options", ())))
            if str(task.answer) not in options:
                rows.append(Ungradable("the task's answer is none of its options"))
                continue
            read = prompts[group], self.model.encode(self.context(text))
            logp_K = torch.stack(
                [token_log_probs(self.model, *read, self.model.encode(o)).sum() for o in options]
            )
            value = float(torch.softmax(logp_K, 0)[options.index(str(task.answer))])
            rows.append(Judged(value, {"option": value}))
        return gather(rows)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(_seedling()), _thoughts())


def self_certainty(logp_TV: Tensor) -> Tensor:
    """float[T]: KL(uniform || p) = -(1/V) sum_v log(V p_v) (arXiv 2502.18581). 0 if uniform.

    >>> self_certainty(torch.full((1, 4), 0.25).log()).tolist()
    [0.0]
    """
    return -logp_TV.mean(-1) - math.log(logp_TV.shape[-1])


def divergence_from_uniform(logp_TV: Tensor) -> Tensor:
    """float[T]: KL(p || uniform) = log V - H(p), in [0, log V] (Shop-R1, arXiv 2507.17842)."""
    return math.log(logp_TV.shape[-1]) - entropy(logp_TV)


def divergence_per_word(logp_TV: Tensor) -> Tensor:
    """float[T]: `divergence_from_uniform` over V, as Shop-R1 reports it; at most (log V) / V.

    With a vocabulary of 150,000 it is below 1e-4, which vanishes beside any other reward.
    """
    return divergence_from_uniform(logp_TV) / logp_TV.shape[-1]


def entropy(logp_TV: Tensor) -> Tensor:
    """float[T]: H(p) = -sum_v p_v log p_v in nats; 0 for a certain token.

    >>> entropy(torch.tensor([[0.5, 0.5]]).log()).exp().tolist()
    [2.0]
    """
    return -torch.where(logp_TV > -math.inf, logp_TV.exp() * logp_TV, 0.0).sum(-1)


@dataclass(frozen=True)
class Certainty:
    """A statistic of a frozen model's next-token distributions, averaged over a completion.

    ``statistic`` is `self_certainty`, `divergence_from_uniform`, `divergence_per_word` or `entropy`
    (uncertainty: give it a negative weight), float[T, V] log-probs to float[T]. ``section``
    restricts it to the inside of the first such section ("" = the whole completion). No token gives
    0: with `entropy` and a negative weight that is the best value, so gate it on an answer.
    Certainty pays for repetition and confident nonsense: set ``cap`` and add a repetition penalty.

    Value and a part named as the statistic: float[N] in [0, cap].
    """

    name: ClassVar[str] = "self-certainty"
    made_of: ClassVar[str] = "a frozen model"

    model: Predictor
    statistic: Callable[[Tensor], Tensor] = self_certainty
    section: str = ""
    cap: Annotated[float, Range(0, infinite=True)] = math.inf

    scope: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def range(self) -> tuple[float, float]:
        return 0.0, self.cap

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        prompts = [self.model.prompt(task) for task in rollouts.tasks]
        rows = []
        for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True):
            before, inside = self._split(text)
            ids = self.model.encode(inside)
            read = prompts[group], self.model.encode(before)
            mean = self.statistic(self.model.log_probs(*read, ids)).mean() if ids else 0.0
            value = min(max(float(mean), 0.0), self.cap)
            rows.append(Judged(value, {self.statistic.__name__: value}))
        return gather(rows)

    def _split(self, text: str) -> tuple[str, str]:
        if not self.section:
            return "", text
        inside = sections(text, (self.section,)).first(self.section)
        if inside is None:
            return "", ""
        opening = f"<{self.section}>"
        return text[: text.index(opening) + len(opening)], inside

    @classmethod
    def example(cls) -> Example:
        worked = "<think>carry: 7+8=15 3+4+1=8</think><answer>85</answer>"
        noise = "zq xv!! 9k j# ~~ wq"
        probes = (probe("sum", "Compute 37+48.\n", worked, (noise,), form="{answer}", answer="85"),)
        return Example(cls(_seedling()), probes, Judges.STYLE)


def _seedling() -> FrozenModel:
    return FrozenModel("seedling", longest=512)


def _thoughts() -> tuple[Probe, ...]:
    """A sum worked rightly, with carrying, and wrongly: the thought is what is attacked."""
    wrong = ("carry: 7+8=15 3+4=7", "quick: 7+8=15 3+4=7", "carry: 8+9=17 4+5+1=10", "I work it.")
    return (
        probe(
            *("sum", "Compute 37+48.\n", "carry: 7+8=15 3+4+1=8", wrong),
            ("quick: 7+8=15 3+4+1=8",),
            form="<think>{answer}</think><answer>",
            answer="85",
            options=["85", "75", "86", "95"],
        ),
    )
